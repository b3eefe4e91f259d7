//! What a request that was admitted holds of limits: given back as it is dropped, whoever drops it and wherever the request
//! has got to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use super::{Counts, Full, Limit, Moment, Quota, take};

/// Places of a request, and later of its tunnel; and its way to the bytes of the day. By default it holds nothing.
#[derive(Debug, Default)]
pub struct Permits(Held);

/// Small, and without memory of its own where one set of limits counts requests and tunnels alone: every request makes one,
/// and every tunnel keeps it.
#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    One(Places),
    More(Box<More>),
}

#[derive(Debug, Default)]
struct More {
    /// Of two sets at most.
    places: Vec<Places>,
    meter: Option<Meter>,
    /// It was told that all of the day is handed out.
    was_told: bool,
}

/// Places of one set of limits.
#[derive(Debug)]
struct Places {
    counts: Arc<Counts>,
    request: bool,
    tunnel: bool,
}

/// Bytes that were handed out.
#[derive(Debug)]
struct Meter {
    counts: Arc<Counts>,
    /// Those that can come back: not yet left, and of that day.
    on_the_way: u64,
    day: u64,
}

impl Permits {
    /// Takes what a request needs of these sets, or nothing at all. A rate alone takes nothing that comes back.
    ///
    /// # Errors
    /// The first limit that is exceeded, and whose it is: by its place in `of`. The rate is asked first, as in the original.
    pub(in crate::policy) fn take(
        of: [Option<&Quota>; 2],
        is_tunnel: bool,
        at: Moment,
    ) -> Result<Permits, (Limit, usize)> {
        let has_rate = of.iter().flatten().any(|quota| quota.limits.rate.is_some());
        let tokens = has_rate.then(|| Tokens::take(of, at)).transpose()?;
        let mut permits = Permits::default();
        for (nth, quota) in of.iter().enumerate() {
            let Some(quota) = quota else { continue };
            let places = Places::take(quota, is_tunnel, at.wall).map_err(|limit| (limit, nth))?;
            if let Some(places) = places {
                permits.hold(places);
            }
        }
        if let Some(tokens) = tokens {
            tokens.keep();
        }
        let mut metered = of.into_iter().flatten();
        if let Some(quota) = metered.find(|quota| quota.limits.bytes_per_day.is_some()) {
            permits.meter_by(Some(quota));
        }
        Ok(permits)
    }

    fn hold(&mut self, places: Places) {
        self.0 = match std::mem::take(&mut self.0) {
            Held::Nothing => Held::One(places),
            held @ (Held::One(_) | Held::More(_)) => {
                let mut more = held.into_more();
                more.places.push(places);
                Held::More(more)
            }
        };
    }

    /// From now on bytes are counted by this one; none: by nobody's, without a bound, where they were counted before. What
    /// was handed out by then is the one's before, and leaves.
    pub(in crate::policy) fn meter_by(&mut self, quota: Option<&Quota>) {
        let counts = match (self.meter(), quota) {
            (None, None) => return,
            (Some(meter), Some(quota)) if Arc::ptr_eq(&meter.counts, &quota.counts) => return,
            (_, Some(quota)) => Arc::clone(&quota.counts),
            (Some(_), None) => Arc::default(),
        };
        let mut more = std::mem::take(&mut self.0).into_more();
        if let Some(before) = &mut more.meter {
            before.on_the_way = 0;
        }
        more.meter = Some(Meter {
            counts,
            on_the_way: 0,
            day: 0,
        });
        more.was_told = false;
        self.0 = Held::More(more);
    }

    /// The request is over, and its tunnel goes on.
    pub fn end_request(&mut self) {
        let goes_on = |places: &mut Places| {
            give_back(&mut places.request, &places.counts.requests);
            places.tunnel
        };
        match &mut self.0 {
            Held::Nothing => {}
            Held::One(places) => {
                if !goes_on(places) {
                    self.0 = Held::Nothing;
                }
            }
            Held::More(more) => more.places.retain_mut(goes_on),
        }
    }

    /// Are bytes counted?
    #[inline]
    pub fn are_metered(&self) -> bool {
        self.meter().is_some()
    }

    fn meter(&self) -> Option<&Meter> {
        match &self.0 {
            Held::Nothing | Held::One(_) => None,
            Held::More(more) => more.meter.as_ref(),
        }
    }

    /// Takes as many of these bytes, which were read and did not leave, as the day has. `on_the_way` are those taken before
    /// that did not leave.
    pub fn take_bytes(&mut self, wanted: u64, on_the_way: u64, wall: SystemTime) -> u64 {
        let Held::More(more) = &mut self.0 else {
            return wanted;
        };
        let Some(meter) = &mut more.meter else {
            return wanted;
        };
        meter.on_the_way = meter.on_the_way.min(on_the_way);
        if wanted == 0 {
            return 0;
        }
        let (taken, day) = meter.counts.day.take(wanted, wall);
        if day != meter.day {
            // What is left of the day before counts for that.
            (meter.on_the_way, meter.day) = (0, day);
        }
        meter.on_the_way += taken;
        taken
    }

    /// Is all of the day handed out, and was it not when this was asked before?
    pub fn note_spent(&mut self, wall: SystemTime) -> bool {
        let is_spent = self.are_spent(wall);
        let Held::More(more) = &mut self.0 else {
            return false;
        };
        let was_told = std::mem::replace(&mut more.was_told, is_spent);
        is_spent && !was_told
    }

    /// Is all of the day handed out?
    pub fn are_spent(&self, wall: SystemTime) -> bool {
        self.meter().is_some_and(|meter| meter.counts.day.is_spent(wall))
    }
}

impl Held {
    fn into_more(self) -> Box<More> {
        let places = match self {
            Held::More(more) => return more,
            Held::One(places) => vec![places],
            Held::Nothing => Vec::new(),
        };
        Box::new(More {
            places,
            ..More::default()
        })
    }
}

impl Places {
    /// None: its numbers ask for none.
    fn take(quota: &Quota, is_tunnel: bool, wall: SystemTime) -> Result<Option<Places>, Limit> {
        let Quota { limits, counts } = quota;
        let request = take(&counts.requests, limits.requests).map_err(|Full| Limit::Requests)?;
        let tunnels = limits.tunnels.filter(|_| is_tunnel);
        let tunnel = take(&counts.tunnels, tunnels).map_err(|Full| Limit::Tunnels);
        let places = (request || tunnel == Ok(true)).then(|| Places {
            counts: Arc::clone(counts),
            request,
            tunnel: tunnel == Ok(true),
        });
        tunnel?;
        match limits.bytes_per_day.is_some() && counts.day.is_spent(wall) {
            true => Err(Limit::Bytes),
            false => Ok(places),
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        give_back(&mut self.request, &self.counts.requests);
        give_back(&mut self.tunnel, &self.counts.tunnels);
    }
}

fn give_back(held: &mut bool, count: &AtomicU32) {
    if std::mem::take(held) {
        let before = count.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "more is given back than was taken");
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.on_the_way > 0 {
            self.counts.day.give_back(self.on_the_way, self.day);
        }
    }
}

/// Tokens of buckets, which come back unless they are kept.
struct Tokens<'q>([Option<&'q Quota>; 2]);

impl<'q> Tokens<'q> {
    fn take(of: [Option<&'q Quota>; 2], at: Moment) -> Result<Tokens<'q>, (Limit, usize)> {
        let mut taken = Tokens([None, None]);
        for (nth, (quota, place)) in of.into_iter().zip(&mut taken.0).enumerate() {
            let Some((quota, rate)) = quota.and_then(|quota| Some((quota, quota.limits.rate?))) else {
                continue;
            };
            if !quota.counts.bucket.take(rate, at.now) {
                return Err((Limit::Rate, nth));
            }
            *place = Some(quota);
        }
        Ok(taken)
    }

    fn keep(mut self) {
        self.0 = [None, None];
    }
}

impl Drop for Tokens<'_> {
    fn drop(&mut self) {
        for quota in self.0.into_iter().flatten() {
            if let Some(rate) = quota.limits.rate {
                quota.counts.bucket.give_back(rate);
            }
        }
    }
}
