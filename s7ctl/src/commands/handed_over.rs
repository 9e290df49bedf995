//! What an operation comes to that was under way when the supervisor was replaced.

use crate::error::{CtlError, Kind};
use s7proto::request::{Request, Selection, Until};

/// Whom to wait for, and for what, so that what `begun` asked for is done. `None` where that can't be waited for.
pub fn awaited(begun: &Request) -> Option<(Selection, Until)> {
    match begun {
        Request::Start(which) | Request::Restart(which) => Some((which.clone(), Until::Up)),
        Request::Stop(which) => Some((which.clone(), Until::Down)),
        Request::Wait { which, until } => Some((which.clone(), *until)),
        _ => None,
    }
}

/// Whether it was about all that is to be up, and not about what nobody wants to run.
pub fn is_of_wishes(begun: &Request) -> bool {
    matches!(
        begun,
        Request::Start(Selection::All) | Request::Restart(Selection::All)
    )
}

/// It was begun, and what came of it is not told any more.
pub fn lost_sight() -> CtlError {
    let message = "the supervisor was replaced while it did that; the next one goes on";
    CtlError::new(Kind::Failed, message).hint("what came of it: s7ctl status")
}

#[cfg(test)]
mod tests {
    use super::*;
    use s7proto::name::ComponentName;

    #[test]
    fn what_was_asked_for_is_waited_for_and_nothing_else() {
        let some = Selection::Named(vec![ComponentName::parse("ps").unwrap()]);
        let up = Some((some.clone(), Until::Up));
        assert_eq!(awaited(&Request::Start(some.clone())), up);
        assert_eq!(awaited(&Request::Restart(some.clone())), up);
        assert_eq!(
            awaited(&Request::Stop(some.clone())),
            Some((some.clone(), Until::Down))
        );
        assert_eq!(awaited(&Request::Shutdown), None);
        assert!(is_of_wishes(&Request::Start(Selection::All)));
        assert!(!is_of_wishes(&Request::Stop(Selection::All)));
        assert!(!is_of_wishes(&Request::Start(some)));
    }
}
