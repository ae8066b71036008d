//! The lexical ground that address fields and MIME fields share: blanks, comments, quoted
//! strings. `[RFC5322 3.2]`

/// Walks an unfolded field value. Never fails: what is broken is noted in `defect`.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    rest: &'a str,
    /// Whether something was met that the grammar does not allow.
    pub(crate) defect: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(value: &'a str) -> Self {
        Self { rest: value, defect: false }
    }

    /// The next character, not taken.
    pub(crate) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes the next character.
    pub(crate) fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// Takes the next character if it is `wanted`.
    pub(crate) fn eat(&mut self, wanted: char) -> bool {
        self.take_one(|c| c == wanted)
    }

    /// Takes the next character if it is `fit`.
    pub(crate) fn take_one(&mut self, fit: impl Fn(char) -> bool) -> bool {
        let fits = self.peek().is_some_and(fit);
        if fits {
            self.bump();
        }
        fits
    }

    /// Takes characters as long as they are `fit`.
    pub(crate) fn take_while(&mut self, mut fit: impl FnMut(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !fit(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Takes blanks and comments; says what was there. `[RFC5322 3.2.2]`
    pub(crate) fn skip_blanks(&mut self) -> Blanks {
        let mut blanks = Blanks::default();
        loop {
            blanks.any |= !self.take_while(|c| matches!(c, ' ' | '\t')).is_empty();
            if self.peek() != Some('(') {
                return blanks;
            }
            blanks.any = true;
            blanks.comment = Some(self.comment());
        }
    }

    /// Takes a comment, nested ones with it; the text between its outer parentheses.
    fn comment(&mut self) -> String {
        self.bump();
        let mut text = String::new();
        let mut depth = 1_usize;
        while let Some(c) = self.bump() {
            match c {
                '\\' => text.extend(self.escaped()),
                '(' => depth += 1,
                ')' if depth == 1 => return text.trim().to_owned(),
                ')' => depth -= 1,
                _ => {}
            }
            if c != '\\' {
                text.push(c);
            }
        }
        self.defect = true;
        text.trim().to_owned()
    }

    /// Takes a quoted string; its content with the quoting removed. `[RFC5322 3.2.4]`
    pub(crate) fn quoted_string(&mut self) -> String {
        self.bump();
        let mut text = String::new();
        while let Some(c) = self.bump() {
            match c {
                '"' => return text,
                '\\' => text.extend(self.escaped()),
                c => text.push(c),
            }
        }
        self.defect = true;
        text
    }

    fn escaped(&mut self) -> Option<char> {
        let escaped = self.bump();
        self.defect |= escaped.is_none();
        escaped
    }
}

/// What stood between two words.
#[derive(Debug, Default)]
pub(crate) struct Blanks {
    /// Whether there was anything.
    pub(crate) any: bool,
    /// The last comment.
    pub(crate) comment: Option<String>,
}
