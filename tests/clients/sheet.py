"""What the scripts share: the demo's sheet, TLS contexts, and a message."""

import email.message
import email.policy
import email.utils
import imaplib
import json
import ssl
import sys
import time
import uuid

HOST = "127.0.0.1"


class Sheet:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.data = json.load(file)
        self.hospital, self.pharmacy = self.data["operators"]

    def tls(self, bal=None):
        """Trusts the demo's authority, checks the host name; shows the certificate of a BAL if given."""
        context = ssl.create_default_context(cafile=self.data["ca_file"])
        if bal:
            context.load_cert_chain(bal["client_cert_file"], bal["client_key_file"])
        return context


def load():
    return Sheet(sys.argv[1])


def people(operator):
    """The BALs with a password."""
    return [bal for bal in operator["bals"] if bal["password"]]


def software(operator):
    """A BAL that logs in by certificate."""
    return next(bal for bal in operator["bals"] if bal["client_cert_file"])


def login_of(bal):
    return bal["login"] or bal["address"], bal["password"]


def letter(sender, recipients, body="Bonjour,\n.\n..ligne avec points\nÀ bientôt\n", size=0, cte="quoted-printable"):
    """A message with an identifier of its own in the subject."""
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = f"Essai {uuid.uuid4()}"
    message["Date"] = email.utils.localtime()
    message["Message-ID"] = email.utils.make_msgid(domain="client.test")
    message.set_content(body, cte=cte)
    if size:
        message.add_attachment(bytes(i * 37 % 251 for i in range(size)), maintype="application", subtype="pdf",
                               filename="compte-rendu.pdf")
        # Or every serialisation would choose its own.
        message.set_boundary(f"=_{uuid.uuid4()}")
    return message


def imap(sheet, operator, bal, folder="INBOX"):
    connection = imaplib.IMAP4_SSL(HOST, operator["imaps_port"], ssl_context=sheet.tls())
    connection.login(*login_of(bal))
    if folder:
        must(connection.select(folder))
    return connection


def must(answer):
    """The data of an OK answer."""
    status, data = answer
    assert status == "OK", (status, data)
    return data


def wait_for(connection, subject, limit=30):
    """The whole message with this subject, as soon as it is in the open folder."""
    waited = 0.0
    while waited < limit:
        connection.noop()
        found = must(connection.uid("SEARCH", "SUBJECT", f'"{subject}"'))[0].split()
        if found:
            assert len(found) == 1, f"{len(found)} copies of {subject}"
            return must(connection.uid("FETCH", found[0], "(BODY.PEEK[])"))[0][1]
        time.sleep(0.1)
        waited += 0.1
    raise AssertionError(f"no message with subject {subject} after {limit} s")


def arrives(sheet, operator, bal, message):
    """Waits for a message and checks that it came as it was sent: only trace fields in front."""
    connection = imap(sheet, operator, bal)
    received = wait_for(connection, message["Subject"])
    connection.logout()
    sent = message.as_bytes(policy=email.policy.SMTP)
    assert received.endswith(sent), f"not the bytes that were sent:\n{received[:1500]!r}\n--- sent\n{sent[:1500]!r}"
    head = received[: len(received) - len(sent)].decode("ascii")
    fields = {line.split(":")[0] for line in head.splitlines() if line and line[0] not in " \t"}
    assert "Received" in fields and "Return-Path" in fields, fields
    return received


def step(name):
    """Marks what was proved; the output is the evidence."""
    print("ok", name)
