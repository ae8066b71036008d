//! How many connections a section's listeners hold, all in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The room of a section; its listeners share it.
#[derive(Clone)]
pub(super) struct Room {
    most: usize,
    most_per_address: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why there is no room; the word is for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// All of it is taken.
    All,
    /// This address has its share.
    Address,
}

impl Full {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Address => "address",
        }
    }
}

/// A place for one connection; dropped, it is free again.
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    address: IpAddr,
}

impl Room {
    pub(super) fn new(most: usize, most_per_address: usize) -> Self {
        Self { most, most_per_address, taken: Arc::default() }
    }

    /// A place for a connection from there.
    pub(super) fn place(&self, address: IpAddr) -> Result<Place, Full> {
        let address = network(address);
        let mut taken = lock(&self.taken);
        let own = taken.by_address.get(&address).copied().unwrap_or(0);
        if own >= self.most_per_address {
            return Err(Full::Address);
        }
        if taken.all >= self.most {
            return Err(Full::All);
        }
        taken.all += 1;
        taken.by_address.insert(address, own + 1);
        Ok(Place { taken: Arc::clone(&self.taken), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all -= 1;
        if let Some(own) = taken.by_address.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An IPv6 network of 64 bits is what one customer has; it counts as one address.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(room: &Room, address: &str) -> Option<Full> {
        room.place(address.parse().unwrap()).err()
    }

    #[test]
    fn one_address_never_takes_all_the_room() {
        let room = Room::new(5, 3);
        let mut places: Vec<_> = (0..3).map(|_| room.place("192.0.2.1".parse().unwrap()).ok().unwrap()).collect();
        assert_eq!(refusal(&room, "192.0.2.1"), Some(Full::Address));
        assert_eq!(refusal(&room, "::ffff:192.0.2.1"), Some(Full::Address));
        places.extend((2..4).map(|n| room.place(format!("192.0.2.{n}").parse().unwrap()).ok().unwrap()));
        assert_eq!(refusal(&room, "192.0.2.9"), Some(Full::All));
        places.remove(0);
        assert_eq!(refusal(&room, "192.0.2.1"), None, "who goes makes room");
        drop(places);
        assert!(lock(&room.taken).by_address.is_empty(), "nothing is kept of who is gone");
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address() {
        let room = Room::new(5, 1);
        let _place = room.place("2001:db8::1".parse().unwrap()).ok().unwrap();
        assert_eq!(refusal(&room, "2001:db8::ffff:1"), Some(Full::Address));
        assert_eq!(refusal(&room, "2001:db8:0:1::1"), None);
    }
}
