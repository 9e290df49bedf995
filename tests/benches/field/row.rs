//! One line of the table, and its verdict.

use std::io;

/// What the figure must be.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// At most so many times the floor of the same run.
    TimesFloor(f64),
    /// At most this, in the row's unit.
    AtMost(f64),
    /// At least so many times the floor of the same run.
    AtLeastTimesFloor(f64),
}

/// One figure.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub measure: &'static str,
    /// With how many components, where that matters.
    pub n: Option<usize>,
    /// Our figure.
    pub ours: f64,
    /// Its unit, and the floor's.
    pub unit: &'static str,
    /// The floor of the same run.
    pub floor: Option<f64>,
    /// What the figure must be.
    pub bound: Bound,
    /// How it came about: the spread, the number of samples.
    pub note: String,
}

impl Row {
    /// Whether the bound is kept.
    ///
    /// # Errors
    /// The figure is none: a measurement that failed must not look like one that went well.
    pub fn is_kept(&self) -> io::Result<bool> {
        let figures = std::iter::once(self.ours).chain(self.floor);
        let broken = |what: &str| Err(io::Error::other(format!("{}: {what}: {self:?}", self.measure)));
        for figure in figures {
            if !figure.is_finite() || figure < 0.0 {
                return broken("this is no figure");
            }
        }
        match (self.bound, self.floor) {
            (Bound::AtMost(most), _) => Ok(self.ours <= most),
            (_, None | Some(0.0)) => broken("there is no floor to compare with"),
            (Bound::TimesFloor(times), Some(floor)) => {
                if self.ours == 0.0 {
                    return broken("nothing was measured");
                }
                Ok(self.ours <= times * floor)
            }
            (Bound::AtLeastTimesFloor(times), Some(floor)) => Ok(self.ours >= times * floor),
        }
    }

    /// The cells of the table.
    ///
    /// # Errors
    /// As [`Row::is_kept`].
    pub fn cells(&self) -> io::Result<[String; 8]> {
        let figure = |value: f64| format!("{} {}", short(value), self.unit);
        let bound = match self.bound {
            Bound::TimesFloor(times) => format!("≤ {times} × floor"),
            Bound::AtMost(most) => format!("≤ {} {}", short(most), self.unit),
            Bound::AtLeastTimesFloor(times) => format!("≥ {times} × floor"),
        };
        let ratio = self.floor.map(|floor| format!("{:.2}", self.ours / floor));
        Ok([
            self.measure.to_owned(),
            self.n.map_or_else(String::new, |n| n.to_string()),
            figure(self.ours),
            self.floor.map_or_else(|| "-".to_owned(), figure),
            ratio.unwrap_or_else(|| "-".to_owned()),
            bound,
            if self.is_kept()? { "ok" } else { "MISSED" }.to_owned(),
            self.note.clone(),
        ])
    }
}

/// Three digits that matter, more where the number has more before its point.
fn short(value: f64) -> String {
    match value {
        value if value == 0.0 || value.abs() >= 100.0 => format!("{value:.0}"),
        value if value.abs() >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// The middle of the samples.
///
/// # Errors
/// There are none.
pub fn median(samples: &[f64]) -> io::Result<f64> {
    at(samples, 0.5)
}

/// The samples' spread in words: the least, the 95th percentile, the most, and how many there are.
///
/// # Errors
/// There are none.
pub fn spread(samples: &[f64]) -> io::Result<String> {
    let place = |share| Ok::<_, io::Error>(short(at(samples, share)?));
    Ok(format!(
        "{}..{} p95 {} ({} samples)",
        place(0.0)?,
        place(1.0)?,
        place(0.95)?,
        samples.len()
    ))
}

/// What so large a share of the samples doesn't exceed.
///
/// # Errors
/// There are none.
pub fn percentile(samples: &[f64], share: f64) -> io::Result<f64> {
    at(samples, share)
}

fn at(samples: &[f64], share: f64) -> io::Result<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1);
    let last = last.ok_or_else(|| io::Error::other("nothing was measured"))?;
    let middle = |index: usize| sorted[index.min(last)];
    if share == 0.5 && last % 2 == 1 {
        return Ok(f64::midpoint(middle(last / 2), middle(last / 2 + 1)));
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into at most some thousand samples, between 0 and the last"
    )]
    let index = (last as f64 * share).round() as usize;
    Ok(middle(index))
}
