//! The pool beside a plain list of what it must hold: whatever happens, both agree, and the lists stay whole.

use super::*;

/// What the pool must hold, as a plain list, oldest first.
#[derive(Default)]
struct Model(Vec<Entry>);

#[derive(Clone, Copy)]
struct Entry {
    host: u64,
    wire: u32,
    private_to: Option<ConnId>,
    /// Its origin's limit in seconds.
    announced: u64,
    id: IdleId,
}

impl Model {
    fn remove(&mut self, found: impl Fn(&Entry) -> bool) -> Option<WireId> {
        let place = self.0.iter().position(found)?;
        Some(wire(self.0.remove(place).wire))
    }

    /// Those that end first stand first.
    fn by_end(&self) -> Vec<Entry> {
        let mut entries = self.0.clone();
        entries.sort_by_key(|entry| entry.announced);
        entries
    }

    fn remove_oldest(&mut self) -> Option<WireId> {
        self.remove(|_| true)
    }

    fn agrees_with(&self, pool: &Pool) {
        let wires = |first: Option<IdleId>, next: fn(&Idle) -> Option<IdleId>| {
            let mut id = first;
            std::iter::from_fn(move || {
                let idle = pool.entries.get(id?).unwrap();
                id = next(idle);
                Some(idle.taken.wire.index)
            })
        };
        let all: Vec<u32> = self.by_end().iter().map(|entry| entry.wire).collect();
        let mut of_wheel = Vec::new();
        for list in pool.by_end.lists() {
            let newest_last: Vec<u32> = wires(list.oldest, |idle| idle.by_end.newer).collect();
            assert!(wires(list.newest, |idle| idle.by_end.older).eq(newest_last.iter().rev().copied()));
            of_wheel.extend(newest_last);
        }
        assert_eq!(of_wheel, all);
        let by_age: Vec<u32> = wires(pool.by_age.oldest, |idle| idle.by_age.newer).collect();
        assert!(self.0.iter().map(|entry| entry.wire).eq(by_age));
        let (mut of_keys, mut bound_of_keys) = (0, 0);
        for OfKey { list, bound, .. } in pool.by_key.values() {
            let newest_last: Vec<u32> = wires(list.oldest, |idle| idle.by_key.newer).collect();
            assert!(wires(list.newest, |idle| idle.by_key.older).eq(newest_last.iter().rev().copied()));
            assert_eq!(newest_last.len(), list.len);
            of_keys += list.len;
            bound_of_keys += bound;
        }
        assert_eq!((pool.len(), of_keys), (all.len(), all.len()));
        let bound = self.0.iter().filter(|entry| entry.private_to.is_some());
        assert_eq!(bound_of_keys, bound.count());
    }
}

#[test]
fn the_lists_stay_whole_whatever_happens() {
    let now = Instant::now();
    let (mut pool, mut model) = (Pool::new(12, 4, now), Model::default());
    let addresses = vetted("44.1.1.1:80");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for turn in 0..20_000u32 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (choice, host) = (state >> 60, state >> 40 & 7);
        let nth = usize::try_from(host).unwrap();
        let (asker, private_to) = match state >> 50 & 3 {
            0 => (CLIENT, Some(CLIENT)),
            1 => (OTHER_CLIENT, None),
            _ => (CLIENT, None),
        };
        let announced = [5, 30, 90][usize::try_from(state >> 30 & 0xff).unwrap() % 3];
        let key = key(&format!("{host}.test"), "r");
        match choice {
            0..9 => {
                let parked = pool.park(
                    key,
                    Taken {
                        private_to,
                        ..leased(turn, now, Some(announced))
                    },
                );
                model.0.push(Entry {
                    host,
                    wire: turn,
                    private_to,
                    announced,
                    id: parked.id.unwrap(),
                });
                let of_host = model.0.iter().filter(|entry| entry.host == host).count();
                let surplus = match (of_host, model.0.len()) {
                    (5.., _) => model.remove(|entry| entry.host == host),
                    (_, 13..) => model.remove_oldest(),
                    _ => None,
                };
                assert_eq!(parked.surplus, surplus);
            }
            9..13 => {
                let fits = |entry: &&Entry| {
                    entry.host == host && entry.private_to.is_none_or(|owner| owner == asker)
                };
                let own = |entry: &&Entry| fits(entry) && entry.private_to.is_some();
                let entries = &model.0;
                let expected = entries.iter().rfind(own).or_else(|| entries.iter().rfind(fits));
                let expected = expected.map(|entry| entry.wire);
                let taken = take_at(now, &mut pool, &key, &addresses, asker);
                assert_eq!(taken.map(|taken| taken.wire.index), expected);
                model.remove(|entry| Some(entry.wire) == expected);
            }
            13 => {
                if let Some(entry) = model.0.get(nth) {
                    let id = entry.id;
                    assert!(pool.drop_idle(id));
                    model.remove(|entry| entry.id == id);
                }
            }
            14 => {
                let bound = model
                    .by_end()
                    .into_iter()
                    .filter(|entry| entry.private_to == Some(CLIENT));
                let bound: Vec<WireId> = bound.map(|entry| wire(entry.wire)).collect();
                assert_eq!(pool.drop_private(CLIENT), bound);
                model.0.retain(|entry| entry.private_to != Some(CLIENT));
            }
            _ => assert_eq!(pool.pop_oldest(), model.remove_oldest()),
        }
        model.agrees_with(&pool);
    }
}
