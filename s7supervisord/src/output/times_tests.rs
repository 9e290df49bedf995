use super::*;

fn point(at: i64, before: i64, file: u64, offset: u64) -> Point {
    Point {
        at,
        before,
        file,
        offset,
    }
}

fn link(file: u64, length: u64, modified: i64) -> Link {
    Link {
        path: PathBuf::from(format!("log-{file}")),
        file: tempfile::tempfile().unwrap(),
        packed: false,
        length,
        own: file,
        origin: file,
        modified,
    }
}

fn place(link: usize, offset: u64) -> Place {
    Place { link, offset }
}

#[test]
fn a_point_survives_the_disk_and_half_a_one_is_none() {
    let one = point(-5, 7, u64::MAX, 1 << 50);
    let bytes = one.encode();
    assert_eq!(Point::decode(&bytes), Some(one));
    for at in 0..LENGTH {
        let mut broken = bytes;
        broken[at] ^= 1;
        assert_eq!(Point::decode(&broken), None, "byte {at}");
        assert_eq!(Point::decode(&bytes[..at]), None);
    }
}

#[test]
fn what_was_written_since_a_time_is_found_with_nothing_of_the_quiet_before_it() {
    // One file: written at 10 s, after a long quiet at 5000 s, and on to 5003 s.
    let points = [
        point(10_000, 0, 1, 0),
        point(5_000_000, 10_000, 1, 100),
        point(5_001_500, 5_001_400, 1, 150),
        point(5_003_000, 5_002_900, 1, 300),
    ];
    let table = [
        (0, place(0, 0)),
        (9_000, place(0, 0)),
        (20_000, place(0, 100)),
        (4_000_000, place(0, 100)),
        (5_001_000, place(0, 100)),
        (5_001_450, place(0, 150)),
        (5_002_950, place(0, 300)),
        (9_000_000, place(0, 400)),
    ];
    for (since, expected) in table {
        let start = search(&points, &[link(1, 400, 5_003_500)], since);
        let place_and_certain = (start.place, start.uncertain);
        assert_eq!(place_and_certain, (expected, None), "{since}");
    }
}

#[test]
fn older_files_are_looked_through_and_a_number_that_was_given_again_is_no_confusion() {
    // File 7 was compressed, and its number given to the present one.
    let points = [
        point(1_000, 0, 7, 0),
        point(2_000, 1_900, 7, 50),
        point(3_000, 2_900, 8, 0),
        point(4_000, 3_900, 7, 0),
        point(5_000, 4_900, 7, 60),
    ];
    let packed = Link {
        packed: true,
        own: 99,
        ..link(7, 20, 2_950)
    };
    let links = [link(7, 70, 6_000), link(8, 40, 3_950), packed];
    let table = [
        (5_000, place(0, 60)),
        (4_100, place(0, 0)),
        (3_960, place(1, 0)),
        (3_100, place(1, 0)),
        (2_000, place(2, 50)),
        (1_500, place(2, 0)),
    ];
    for (since, expected) in table {
        let start = search(&points, &links, since);
        assert_eq!((start.place, start.uncertain), (expected, None), "{since}");
    }
}

#[test]
fn what_cannot_be_known_is_shown_and_said() {
    let points = [point(5_000, 4_000, 1, 100)];
    let start = search(&points, &[link(1, 200, 6_000)], 3_000);
    assert_eq!(start.place, place(0, 0));
    assert!(start.uncertain.unwrap().contains("not known"));
    let start = search(&points, &[link(1, 200, 6_000)], 4_500);
    assert_eq!((start.place, start.uncertain), (place(0, 100), None));
    let start = search(&[], &[link(1, 200, 6_000)], 7_000);
    assert_eq!(
        (start.place, start.uncertain),
        (place(0, 200), None),
        "the file's own time tells"
    );
    assert!(search(&[], &[], 7_000).uncertain.is_none());
}

#[test]
fn points_are_bounded_and_keep_what_their_age_asks_for() {
    let now = 100 * 24 * 3_600_000;
    let every_second = |from: i64, to: i64| (from..to).map(|s| point(now - s * 1000, 0, 1, 0));
    let mut points: Vec<Point> = every_second(0, 3 * 86_400).collect();
    points.reverse();
    for (offset, point) in points.iter_mut().enumerate() {
        point.offset = offset as u64;
    }
    let kept = thin(&points, now);
    let of = |from: i64, to: i64| {
        let ages = kept.iter().map(|point| (now - point.at) / 1000);
        ages.filter(|age| (from..to).contains(age)).count()
    };
    assert_eq!(of(0, 3600), 3600);
    assert!((1370..=1390).contains(&of(3600, 86_400)), "{}", of(3600, 86_400));
    assert!(
        (280..=300).contains(&of(86_400, 3 * 86_400)),
        "{}",
        of(86_400, 3 * 86_400)
    );
    let many: Vec<Point> = (0..MOST as u64).map(|file| point(now, now, file, 0)).collect();
    assert_eq!(thin(&many, now), many[MOST / 2..], "the newest stay");
}

#[test]
fn a_file_of_points_stays_small_and_whole_on_disk() {
    let temp = tempfile::tempdir().unwrap();
    let log = temp.path().join("a.log");
    let names = RotatedNames::of(&log).unwrap();
    let many: Vec<Point> = (0..MOST as u64).map(|n| point(n as i64, 0, 1, n)).collect();
    rewritten(&names, &many).unwrap();
    // Half a point, as a full disk leaves it.
    let mut file = File::options().append(true).open(path(&names)).unwrap();
    file.write_all(&[1; 17]).unwrap();
    // What is open can't be replaced on every system.
    drop(file);
    let mut writer = Points::of(&log);
    let now = Instant::now();
    let last = |n: i64, offset| point(MOST as i64 + n, 0, 1, offset);
    writer.note(now, last(0, 20_000));
    writer.note(now, last(1, 20_001));
    writer.note(now + EVERY, last(2, 20_000));
    writer.note(now + EVERY, last(3, 20_003));
    writer.note(now + EVERY, last(4, 0));
    let read = read_from(log_file::open_to_read(&path(&names)).unwrap()).unwrap();
    assert!(read.len() <= MOST / 2 + 4);
    let ends: Vec<u64> = read[read.len() - 3..].iter().map(|point| point.offset).collect();
    assert_eq!(ends, [20_000, 20_003, 0]);
    assert_eq!(
        fs::metadata(path(&names)).unwrap().len() as usize,
        read.len() * LENGTH
    );
}
