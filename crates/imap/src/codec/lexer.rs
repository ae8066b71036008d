//! The few tokens that the commands read by hand are made of. `[RFC3501 9]`

/// Reads a command from its first octet; each method takes a token or leaves all as it was.
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn skip_one(&mut self) {
        self.at += 1;
    }

    /// `tag`
    pub(super) fn tag(&mut self) -> Option<String> {
        self.word(|b| b != b'+' && is_astring_char(b))
    }

    /// `atom`, in capitals.
    pub(super) fn atom(&mut self) -> Option<String> {
        self.word(is_atom_char).map(|atom| atom.to_ascii_uppercase())
    }

    /// `word` in any case, as a whole atom.
    pub(super) fn word_is(&mut self, word: &str) -> Option<()> {
        let start = self.at;
        if self.atom().is_some_and(|atom| atom == word) {
            return Some(());
        }
        self.at = start;
        None
    }

    /// `sequence-set`, roughly.
    pub(super) fn set(&mut self) -> Option<String> {
        self.word(|b| b.is_ascii_digit() || matches!(b, b'*' | b':' | b','))
    }

    /// `astring`
    pub(super) fn astring(&mut self) -> Option<Vec<u8>> {
        self.string().or_else(|| self.word(is_astring_char).map(String::into_bytes))
    }

    /// `list-mailbox`
    pub(super) fn list_mailbox(&mut self) -> Option<Vec<u8>> {
        let is_list_char = |b| is_astring_char(b) || matches!(b, b'%' | b'*');
        self.string().or_else(|| self.word(is_list_char).map(String::into_bytes))
    }

    /// `string`: quoted (octets above 127 allowed) or a literal.
    pub(super) fn string(&mut self) -> Option<Vec<u8>> {
        match self.rest().first()? {
            b'"' => self.quoted(),
            b'{' => self.literal(),
            _ => None,
        }
    }

    /// Exactly these octets.
    pub(super) fn exactly(&mut self, token: &[u8]) -> Option<()> {
        self.rest().starts_with(token).then(|| self.at += token.len())
    }

    /// A list in parentheses of what `item` reads, divided by spaces; may be empty.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.exactly(b"(")?;
        let mut items = Vec::new();
        while self.exactly(b")").is_none() {
            if !items.is_empty() {
                self.exactly(b" ")?;
            }
            items.push(item(self)?);
        }
        Some(items)
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn word(&mut self, belongs: impl Fn(u8) -> bool) -> Option<String> {
        let word: Vec<u8> = self.rest().iter().copied().take_while(|b| belongs(*b)).collect();
        self.at += word.len();
        String::from_utf8(word).ok().filter(|word| !word.is_empty())
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let mut rest = self.rest().iter().enumerate().skip(1);
        while let Some((at, b)) = rest.next() {
            match b {
                b'"' => {
                    self.at += at + 1;
                    return Some(text);
                }
                b'\\' => text.push(*rest.next().map(|(_, b)| b).filter(|b| matches!(b, b'"' | b'\\'))?),
                b'\r' | b'\n' | 0 => return None,
                _ => text.push(*b),
            }
        }
        None
    }

    fn literal(&mut self) -> Option<Vec<u8>> {
        let rest = self.rest().get(1..)?;
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let length: usize = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        let plus = usize::from(rest.get(digits) == Some(&b'+'));
        rest.get(digits + plus..)?.starts_with(b"}\r\n").then_some(())?;
        let start = digits + plus + 3;
        let text = rest.get(start..start.checked_add(length)?)?.to_vec();
        self.at += 1 + start + length;
        Some(text)
    }
}

fn is_atom_char(b: u8) -> bool {
    b.is_ascii_graphic() && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

fn is_astring_char(b: u8) -> bool {
    is_atom_char(b) || b == b']'
}
