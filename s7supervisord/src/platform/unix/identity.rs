//! Who a component runs as: look-ups that may ask the network, so never on the core loop.

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use s7proto::status::{SpawnFailure, SpawnStage};
use std::ffi::CString;

/// The user, groups and home of a component.
#[derive(Debug, Clone)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<libc::gid_t>,
    pub name: String,
    pub home: String,
    pub shell: String,
    /// Whether the child has to change anything to become it.
    pub differs: bool,
}

/// Finds `user` and `group` of the registry, or the daemon's own.
pub fn look_up(user: Option<&str>, group: Option<&str>) -> Result<Identity, SpawnFailure> {
    let own = Uid::effective();
    let entry = match user {
        None => User::from_uid(own).ok().flatten(),
        Some(user) => Some(find_user(user)?),
    };
    let gid = match (group, &entry) {
        (Some(group), _) => find_group(group)?,
        (None, Some(entry)) if user.is_some() => entry.gid,
        (None, _) => Gid::effective(),
    };
    let uid = entry.as_ref().map_or(own, |entry| entry.uid);
    let differs = uid != own || gid != Gid::effective();
    let groups = match &entry {
        Some(entry) if differs && user.is_some() => supplementary(&entry.name, gid)?,
        _ => vec![gid.as_raw()],
    };
    Ok(Identity {
        uid: uid.as_raw(),
        gid: gid.as_raw(),
        groups,
        name: entry
            .as_ref()
            .map_or_else(|| uid.to_string(), |entry| entry.name.clone()),
        home: entry.as_ref().map_or_else(
            || "/".to_owned(),
            |entry| entry.dir.to_string_lossy().into_owned(),
        ),
        shell: entry
            .as_ref()
            .map(|entry| entry.shell.to_string_lossy().into_owned())
            .filter(|shell| !shell.is_empty())
            .unwrap_or_else(|| "/bin/sh".to_owned()),
        differs,
    })
}

fn find_user(user: &str) -> Result<User, SpawnFailure> {
    let found = match user.parse::<u32>() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)),
        Err(_) => User::from_name(user),
    };
    match found {
        Ok(Some(entry)) => Ok(entry),
        Ok(None) => Err(failure(user.to_owned(), None, "there is no such user".to_owned())),
        Err(errno) => Err(failure(
            user.to_owned(),
            Some(errno as i32),
            errno.desc().to_owned(),
        )),
    }
}

fn find_group(group: &str) -> Result<Gid, SpawnFailure> {
    if let Ok(gid) = group.parse::<u32>() {
        return Ok(Gid::from_raw(gid));
    }
    match Group::from_name(group) {
        Ok(Some(entry)) => Ok(entry.gid),
        Ok(None) => Err(failure(
            group.to_owned(),
            None,
            "there is no such group".to_owned(),
        )),
        Err(errno) => Err(failure(
            group.to_owned(),
            Some(errno as i32),
            errno.desc().to_owned(),
        )),
    }
}

fn supplementary(user: &str, gid: Gid) -> Result<Vec<libc::gid_t>, SpawnFailure> {
    let name =
        CString::new(user).map_err(|_| failure(user.to_owned(), None, "its name holds a NUL".to_owned()))?;
    getgrouplist(&name, gid)
        .map(|groups| groups.into_iter().map(Gid::as_raw).collect())
        .map_err(|errno| failure(user.to_owned(), Some(errno as i32), errno.desc().to_owned()))
}

fn failure(subject: String, os_error: Option<i32>, cause: String) -> SpawnFailure {
    SpawnFailure {
        stage: SpawnStage::LookingUpUser,
        subject,
        os_error,
        cause,
        host_fault: false,
    }
}
