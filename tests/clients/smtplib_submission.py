"""Python's smtplib as mail client and as business software."""

import smtplib

from sheet import HOST, arrives, letter, load, login_of, people, software, step

sheet = load()
hospital = sheet.hospital
sender, = people(hospital)[:1]
recipient = people(hospital)[-1]
peer = people(sheet.pharmacy)[0]


def refused(code, action):
    try:
        action()
    except smtplib.SMTPResponseException as error:
        assert error.smtp_code == code, error
        return error
    except smtplib.SMTPRecipientsRefused as error:
        found = {reply[0] for reply in error.recipients.values()}
        assert found == {code}, error
        return error
    except smtplib.SMTPSenderRefused as error:
        assert error.smtp_code == code, error
        return error
    raise AssertionError(f"expected {code}")


def starttls():
    client = smtplib.SMTP(HOST, hospital["submission_port"], timeout=30)
    client.ehlo()
    assert client.has_extn("starttls") and not client.has_extn("auth"), client.esmtp_features
    client.starttls(context=sheet.tls())
    client.ehlo()
    return client


client = starttls()
for extension in ("size", "pipelining", "8bitmime", "smtputf8", "enhancedstatuscodes", "chunking", "dsn", "limits"):
    assert client.has_extn(extension), (extension, client.esmtp_features)
assert not client.has_extn("starttls")
assert {"PLAIN", "LOGIN"} <= set(client.esmtp_features["auth"].split()), client.esmtp_features
client.login(*login_of(sender))
message = letter(sender["address"], [recipient["address"]])
client.send_message(message)
for _ in range(3):  # several messages on one connection
    client.send_message(letter(sender["address"], [recipient["address"]]))
assert client.verify(recipient["address"])[0] in (250, 251, 252)
assert client.noop()[0] == 250
assert client.help()
client.quit()
arrives(sheet, hospital, recipient, message)
step("STARTTLS, AUTH by smtplib's choice, several messages, bytes kept")

client = starttls()
client.user, client.password = login_of(sender)
client.auth("LOGIN", client.auth_login)
message = letter(sender["address"], [peer["address"]], size=100_000)
client.send_message(message)
client.quit()
arrives(sheet, sheet.pharmacy, peer, message)
step("AUTH LOGIN, 100 kB attachment to the other operator over the hop")

client = smtplib.SMTP_SSL(HOST, hospital["submissions_port"], timeout=30, context=sheet.tls())
client.user, client.password = login_of(sender)
client.ehlo()
client.auth("PLAIN", client.auth_plain)
both = [recipient["address"], peer["address"]]
message = letter(sender["address"], both, body="Été, cœur, naïf\n", cte="8bit")
client.send_message(message, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
client.quit()
arrives(sheet, hospital, recipient, message)
arrives(sheet, sheet.pharmacy, peer, message)
step("implicit TLS, AUTH PLAIN, one message to a BAL here and one at the peer")

applicative = software(hospital)
client = smtplib.SMTP_SSL(HOST, hospital["submissions_port"], timeout=30, context=sheet.tls(applicative))
client.ehlo()
assert "EXTERNAL" in client.esmtp_features["auth"].split(), client.esmtp_features
client.user = client.password = ""
assert client.auth("EXTERNAL", lambda challenge=None: "")[0] == 235
message = letter(applicative["address"], [recipient["address"]])
client.send_message(message)
client.quit()
arrives(sheet, hospital, recipient, message)
step("AUTH EXTERNAL of an applicative BAL by its certificate [MSS1 APP.CERTIFICATE]")

client = starttls()
login, _ = login_of(sender)
refused(535, lambda: client.login(login, "pas le bon mot de passe"))
client.close()
step("a wrong password is refused with 535")

client = starttls()
refused(530, lambda: client.sendmail(sender["address"], [recipient["address"]], b"Subject: x\r\n\r\nx\r\n"))
client.close()
step("nobody submits without logging in")

client = starttls()
client.login(*login_of(sender))
code, _ = client.mail(recipient["address"])
assert 500 <= code < 600, code
client.rset()
code, _ = client.mail(sender["address"])
assert code == 250
code, text = client.rcpt("personne.inconnue@" + hospital["domain"])
assert code == 550 and b"5.1.1" in text, (code, text)
code, text = client.rcpt("quelquun@domaine-hors-confiance.example")
assert code == 550 and text.startswith(b"5."), (code, text)
client.rset()
forged = letter(recipient["address"], [recipient["address"]])
error = refused(550, lambda: client.sendmail(sender["address"], [recipient["address"]], forged.as_bytes()))
client.close()
step("a sender that is not his own, unknown recipients and domains outside the trust space are refused")

client = smtplib.SMTP(HOST, hospital["submission_port"], timeout=30)
client.ehlo()
code, _ = client.docmd("AUTH", "PLAIN AGEAYg==")
assert code in (530, 538, 503, 502, 504), code
client.close()
step("no AUTH before TLS")
