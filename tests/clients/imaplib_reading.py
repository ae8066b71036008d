"""Python's imaplib as a mail client."""

import imaplib
import re
import socket
import ssl

from sheet import HOST, imap, letter, load, login_of, must, people, step

sheet = load()
operator = sheet.pharmacy
bal = people(operator)[-1]

plain = imaplib.IMAP4(HOST, operator["imap_port"])
assert "STARTTLS" in plain.capabilities and "LOGINDISABLED" in plain.capabilities, plain.capabilities
try:
    plain.login(*login_of(bal))
    raise AssertionError("LOGIN in the clear was let in")
except imaplib.IMAP4.error:
    pass
plain.starttls(ssl_context=sheet.tls())
assert "LOGINDISABLED" not in plain.capabilities, plain.capabilities
plain.login(*login_of(bal))
for capability in ("IMAP4REV1", "LITERAL+", "UIDPLUS", "MOVE", "IDLE", "NAMESPACE", "ID", "ENABLE", "UNSELECT",
                   "SPECIAL-USE", "CHILDREN", "LIST-EXTENDED", "LIST-STATUS"):
    plain._get_capabilities()
    assert capability in plain.capabilities, (capability, plain.capabilities)
plain.logout()
step("IMAP with STARTTLS: no login in the clear, capabilities [RFC3501 6.2.1]")

try:
    wrong = imaplib.IMAP4_SSL(HOST, operator["imaps_port"], ssl_context=sheet.tls())
    wrong.login(login_of(bal)[0], "pas le bon")
    raise AssertionError("a wrong password was let in")
except imaplib.IMAP4.error:
    step("a wrong password is refused")

box = imap(sheet, operator, bal)
folders = {re.search(rb'"?([^" ]+)"?$', line).group(1): line for line in must(box.list())}
for name, attribute in (("Sent", rb"\Sent"), ("Drafts", rb"\Drafts"), ("Trash", rb"\Trash"), ("Junk", rb"\Junk"),
                        ("Archive", rb"\Archive")):
    assert attribute in folders[name.encode()], folders
step("default folders carry their attributes [RFC6154 2]")

message = letter(bal["address"], [bal["address"]], size=200_000).as_bytes()
before = int(must(box.status("Archive", "(UIDNEXT)"))[0].split()[-1].rstrip(b")"))
answer = must(box.append("Archive", r"(\Seen \Flagged)", None, message))
assert b"APPENDUID" in answer[0], answer
must(box.select("Archive"))
uid = must(box.uid("SEARCH", f"UID {before}:*"))[0].split()[-1]
fetched = must(box.uid("FETCH", uid, "(FLAGS RFC822.SIZE BODY.PEEK[])"))
assert fetched[0][1] == message
assert rb"\Flagged" in fetched[0][0] + fetched[1] and str(len(message)).encode() in fetched[0][0], fetched[0][0]
step("APPEND and FETCH give back every byte, flags and size")

part = must(box.uid("FETCH", uid, "(BODY.PEEK[]<1000.500>)"))[0][1]
assert part == message[1000:1500]
structure = must(box.uid("FETCH", uid, "(ENVELOPE BODYSTRUCTURE)"))
flat = b"".join(item if isinstance(item, bytes) else b"".join(item) for item in structure)
assert b"compte-rendu.pdf" in flat and bal["address"].split("@")[0].encode() in flat, flat
second = must(box.uid("FETCH", uid, "(BODY.PEEK[2.MIME] BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
assert any(b"application/pdf" in item[1].lower() for item in second if isinstance(item, tuple)), second
step("partial fetch, envelope, body structure, parts")

must(box.uid("STORE", uid, "-FLAGS", r"(\Seen)"))
must(box.uid("STORE", uid, "+FLAGS", r"(\Answered $Important)"))
flags = must(box.uid("FETCH", uid, "(FLAGS)"))[0]
assert rb"\Answered" in flags and b"$Important" in flags and rb"\Seen" not in flags, flags
assert must(box.uid("SEARCH", "UNSEEN", "KEYWORD", "$Important"))[0].split() == [uid]
step("STORE and SEARCH of flags and keywords")

must(box.create('"Patients &AOk-t&AOk-"'))  # "Patients été" in modified UTF-7
must(box.create("Patients/2026"))
must(box.rename("Patients/2026", "Patients/2027"))
must(box.subscribe("Patients/2027"))
names = b" ".join(must(box.list('""', '"Patients*"')))
assert b"Patients &AOk-t&AOk-" in names and b"Patients/2027" in names and b"2026" not in names, names
assert b"Patients/2027" in b" ".join(must(box.lsub('""', '"*"')))
step("folders with accents, hierarchy, rename, subscriptions")

must(box.uid("COPY", uid, "Patients/2027"))
must(box.uid("MOVE", uid, "Trash"))
assert must(box.uid("SEARCH", "UID", uid))[0] == b""
must(box.select("Patients/2027"))
copy = must(box.fetch("1", "(FLAGS BODY.PEEK[])"))
assert copy[0][1] == message
must(box.store("1", "+FLAGS", r"(\Deleted)"))
assert must(box.expunge()) == [b"1"]
must(box.unselect())
must(box.delete("Patients/2027"))
must(box.select("Trash"))
assert must(box.search(None, "ALL"))[0], "the moved message is gone"
must(box.close())
step("COPY, MOVE, EXPUNGE, DELETE")

# IDLE by hand: imaplib cannot.
raw = sheet.tls().wrap_socket(socket.create_connection((HOST, operator["imaps_port"]), 30), server_hostname=HOST)
lines = raw.makefile("rb")
lines.readline()


def send(text):
    raw.sendall(text.encode() + b"\r\n")


def until(start):
    seen = []
    while True:
        line = lines.readline()
        assert line, seen
        seen.append(line)
        if line.startswith(start):
            return seen


login, password = login_of(bal)
send(f'a1 LOGIN "{login}" "{password}"')
until(b"a1 OK")
send("a2 SELECT Drafts")
until(b"a2 OK")
send("a3 IDLE")
until(b"+")
must(box.append("Drafts", None, None, message))
pushed = until(b"* ")
assert pushed[-1].rstrip().endswith((b"EXISTS", b"RECENT")), pushed
send("DONE")
until(b"a3 OK")
send("a4 LOGOUT")
assert any(line.startswith(b"* BYE") for line in until(b"a4 OK"))
assert lines.readline() == b"", "the server did not close after LOGOUT"
step("IDLE pushes a new message; LOGOUT closes")
box.logout()

context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(sheet.data["ca_file"])
context.maximum_version = ssl.TLSVersion.TLSv1_1
context.minimum_version = ssl.TLSVersion.TLSv1
try:
    imaplib.IMAP4_SSL(HOST, operator["imaps_port"], ssl_context=context)
    raise AssertionError("TLS 1.1 was accepted")
except (ssl.SSLError, OSError, ValueError):
    step("nothing older than TLS 1.2 [MSS2 ECO.1.1.1]")
