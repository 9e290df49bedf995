//! The number of the protocol that this build speaks.

use std::fmt;

/// The protocol of this build. `PROTOCOL.md` has the table of what each number added.
pub const PROTOCOL: Version = Version { major: 1, minor: 2 };

/// A protocol number. Equal majors understand each other; a minor only ever adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Changes when old and new can't talk.
    pub major: u16,
    /// Changes when something was added at the end.
    pub minor: u16,
}

impl Version {
    /// Whether two sides with these numbers can talk.
    #[must_use]
    pub fn compatible(self, other: Self) -> bool {
        self.major == other.major
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Two sides whose majors differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this side speaks protocol {ours}, the other side {theirs}; {} is older", .older.phrase())]
pub struct ForeignVersion {
    /// What this side speaks.
    pub ours: Version,
    /// What the other side speaks.
    pub theirs: Version,
    /// Which of the two is to be updated.
    pub older: Side,
}

impl ForeignVersion {
    /// `None` where the two can talk.
    #[must_use]
    pub fn between(ours: Version, theirs: Version) -> Option<Self> {
        let older = if ours < theirs { Side::Ours } else { Side::Theirs };
        (!ours.compatible(theirs)).then_some(Self { ours, theirs, older })
    }
}

/// One of the two ends of a connection, seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This program.
    Ours,
    /// The program at the other end.
    Theirs,
}

impl Side {
    fn phrase(self) -> &'static str {
        match self {
            Self::Ours => "this side",
            Self::Theirs => "the other side",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_major_separates_and_the_lower_one_is_the_older_side() {
        let v = |major, minor| Version { major, minor };
        assert_eq!(ForeignVersion::between(v(1, 0), v(1, 9)), None);
        let old = ForeignVersion::between(v(1, 5), v(2, 0)).unwrap();
        assert_eq!(old.older, Side::Ours);
        assert_eq!(
            old.to_string(),
            "this side speaks protocol 1.5, the other side 2.0; this side is older"
        );
        assert_eq!(
            ForeignVersion::between(v(2, 0), v(1, 5)).unwrap().older,
            Side::Theirs
        );
    }
}
