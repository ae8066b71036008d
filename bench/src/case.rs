//! What is measured.

/// Which door the messages come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Operator hop with a listed certificate.
    Hop,
    /// Submission with STARTTLS by a piece of software with its certificate (SASL EXTERNAL).
    Software,
    /// Submission with STARTTLS by a person with a password.
    Person,
}

/// One case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Shown, and selected by.
    pub(crate) name: String,
    pub(crate) door: Door,
    /// Size of a message, in octets.
    pub(crate) size: usize,
    /// Connections at once.
    pub(crate) connections: usize,
    /// Messages per connection.
    pub(crate) messages: usize,
    /// Connections in all.
    pub(crate) rounds: usize,
}

const KB: usize = 1000;
const MIB: usize = 1024 * 1024;

/// The largest message that the default `max_size` of 25 MiB lets in.
const LARGEST: usize = 25 * MIB - 1024;

impl Case {
    fn new(door: Door, label: &str, size: usize, (connections, messages, rounds): (usize, usize, usize)) -> Self {
        let door_name = match door {
            Door::Hop => "hop",
            Door::Software => "submission",
            Door::Person => "submission by password",
        };
        let name = format!("{door_name} {label} c{connections} m{messages}");
        Self { name, door, size, connections, messages, rounds }
    }

    /// How many messages in all.
    pub(crate) fn total(&self) -> usize {
        self.rounds * self.messages
    }
}

/// All cases, in the order in which they run.
fn all() -> Vec<Case> {
    vec![
        Case::new(Door::Software, "4 kB", 4 * KB, (1, 1, 50)),
        Case::new(Door::Software, "4 kB", 4 * KB, (20, 1, 400)),
        Case::new(Door::Software, "4 kB", 4 * KB, (20, 20, 300)),
        Case::new(Door::Person, "4 kB", 4 * KB, (20, 20, 100)),
        Case::new(Door::Hop, "4 kB", 4 * KB, (20, 20, 300)),
        Case::new(Door::Hop, "50 kB", 50 * KB, (20, 20, 100)),
        Case::new(Door::Hop, "1 MB", 1000 * KB, (20, 20, 20)),
        Case::new(Door::Hop, "25 MiB", LARGEST, (50, 1, 50)),
    ]
}

/// The cases whose names contain one of `words`, or all of them.
pub(crate) fn select(words: &[String], rounds: Option<usize>) -> Vec<Case> {
    let wanted = |case: &Case| words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str()));
    let mut cases: Vec<Case> = all().into_iter().filter(wanted).collect();
    if let Some(rounds) = rounds {
        for case in &mut cases {
            case.rounds = rounds;
        }
    }
    cases
}
