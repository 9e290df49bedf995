//! The numbered lines of the fixture (`lines`, `tick`, `burst`), as they must stand in a log.

/// How many lines each run has left, the runs one after the other: each counts from 0, and none misses or doubles a number.
///
/// # Errors
/// The first line that isn't the next one, and where it stands.
pub fn runs_of(log: &str) -> Result<Vec<u64>, String> {
    let mut runs: Vec<u64> = Vec::new();
    for (place, line) in log.split_inclusive('\n').enumerate() {
        let number = line
            .strip_prefix("line ")
            .and_then(|rest| rest.strip_suffix('\n'))
            .filter(|digits| digits.len() >= 8)
            .and_then(|digits| digits.parse::<u64>().ok());
        match (number, runs.last_mut()) {
            (Some(0), _) => runs.push(1),
            (Some(number), Some(expected)) if number == *expected => *expected += 1,
            (_, last) => {
                let expected = last.copied().unwrap_or(0);
                return Err(format!("line {place} is {line:?}, not number {expected}"));
            }
        }
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::runs_of;

    #[test]
    fn a_missing_a_doubled_and_a_torn_line_are_found() {
        let log = |numbers: &[u64]| -> String {
            let lines = numbers.iter().map(|number| format!("line {number:08}\n"));
            lines.collect()
        };
        assert_eq!(runs_of(""), Ok(vec![]));
        assert_eq!(runs_of(&log(&[0, 1, 2, 0, 1])), Ok(vec![3, 2]));
        for wrong in [&[1, 2][..], &[0, 2], &[0, 1, 1], &[0, 1, 3, 2]] {
            assert!(runs_of(&log(wrong)).is_err(), "{wrong:?}");
        }
        assert!(runs_of("line 00000000\nline 0000").is_err());
        assert!(runs_of("line 00000000\n\nline 00000001\n").is_err());
    }
}
