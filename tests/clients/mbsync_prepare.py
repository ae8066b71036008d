"""Fills a folder with messages that mbsync then fetches, and tells what is there afterwards.

mbsync_prepare.py SHEET fill COUNT | list
Prints one line per message: subject, flags, sorted.
"""

import re
import sys

from sheet import imap, letter, load, must, people

sheet = load()
operator = sheet.pharmacy
bal = people(operator)[0]
box = imap(sheet, operator, bal, folder=None)
FOLDER = "Synchro"

if sys.argv[2] == "fill":
    must(box.create(FOLDER))
    for number in range(int(sys.argv[3])):
        message = letter(bal["address"], [bal["address"]], size=number * 100)
        message.replace_header("Subject", f"serveur {number:03}")
        must(box.append(FOLDER, r"(\Seen)" if number % 2 else None, None, message.as_bytes()))
else:
    must(box.select(FOLDER, readonly=True))
    for answer in must(box.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")):
        if isinstance(answer, tuple):
            subject = answer[1].decode().strip().partition(": ")[2]
            flags = sorted(set(re.findall(r"\\(Seen|Flagged|Answered|Deleted)", answer[0].decode())))
            print(subject, *flags)
box.logout()
