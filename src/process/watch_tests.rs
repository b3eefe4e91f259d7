//! What counts as a change, and when it is told of; what becomes of it then is `tests/it/watch`'s.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// A folder with watched files, and what was seen of them last.
struct House {
    folder: tempfile::TempDir,
    watched: Watched,
    before: Stamps,
}

impl House {
    /// These are watched; what is there by then was read.
    fn new(names: &[&str], fill: impl FnOnce(&Path)) -> House {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path());
        let watched = Watched::new(names.iter().map(|name| folder.path().join(name)).collect());
        House {
            before: watched.look(),
            folder,
            watched,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn look(&mut self) -> Seen {
        self.watched.compare(&mut self.before)
    }

    /// It is told of once, when it has come to rest.
    #[track_caller]
    fn is_told_once(&mut self) {
        let looks = [self.look(), self.look(), self.look(), self.look()];
        assert_eq!(looks, [Seen::Changes, Seen::Changed, Seen::Same, Seen::Same]);
    }
}

fn one(folder: &Path) {
    fs::write(folder.join("a"), "one").unwrap();
}

#[test]
fn a_file_that_is_written_is_told_of_once_it_rests() {
    let mut house = House::new(&["a"], one);
    assert_eq!(house.look(), Seen::Same);
    for text in ["one, and mo", "one, and more", "one, and more of it"] {
        fs::write(house.path("a"), text).unwrap();
        assert_eq!(house.look(), Seen::Changes, "{text}");
    }
    assert_eq!([house.look(), house.look()], [Seen::Changed, Seen::Same]);
}

#[test]
fn a_rename_a_link_and_a_folder_of_links_are_changes() {
    let mut house = House::new(&["a", "b", "c"], |folder| {
        one(folder);
        // As Kubernetes lays out a volume.
        for (version, text) in [("..1", "old"), ("..2", "new")] {
            fs::create_dir(folder.join(version)).unwrap();
            fs::write(folder.join(version).join("c"), text).unwrap();
            fs::write(folder.join(version).join("b"), text).unwrap();
        }
        symlink("..1", folder.join("..data")).unwrap();
        symlink("..data/c", folder.join("c")).unwrap();
        symlink("..1/b", folder.join("b")).unwrap();
    });
    fs::write(house.path("next"), "two").unwrap();
    fs::rename(house.path("next"), house.path("a")).unwrap();
    house.is_told_once();
    symlink("..2/b", house.path("next")).unwrap();
    fs::rename(house.path("next"), house.path("b")).unwrap();
    house.is_told_once();
    symlink("..2", house.path("next")).unwrap();
    fs::rename(house.path("next"), house.path("..data")).unwrap();
    house.is_told_once();
}

#[test]
fn a_file_that_is_missing_changes_nothing_and_one_that_comes_does() {
    let mut house = House::new(&["a", "b"], one);
    fs::remove_file(house.path("a")).unwrap();
    assert_eq!([house.look(), house.look()], [Seen::Same, Seen::Same]);
    fs::write(house.path("a"), "two").unwrap();
    house.is_told_once();
    fs::write(house.path("b"), "").unwrap();
    house.is_told_once();
}

/// What the other one said was not read for its sake.
#[test]
fn one_that_was_missing_when_another_changed_is_a_change_when_it_is_back() {
    let mut house = House::new(&["a", "b"], |folder| {
        one(folder);
        fs::write(folder.join("b"), "b").unwrap();
    });
    fs::rename(house.path("a"), house.path("away")).unwrap();
    fs::write(house.path("b"), "two").unwrap();
    house.is_told_once();
    fs::rename(house.path("away"), house.path("a")).unwrap();
    house.is_told_once();
}

#[test]
fn what_was_read_meanwhile_is_not_told_of() {
    let mut house = House::new(&["a"], one);
    fs::write(house.path("a"), "two, by SIGHUP").unwrap();
    assert_eq!(house.look(), Seen::Changes);
    house.watched.note_reading();
    assert_eq!([house.look(), house.look()], [Seen::Same, Seen::Same]);
}

#[test]
fn other_rights_are_a_change() {
    use std::os::unix::fs::PermissionsExt;
    let mut house = House::new(&["a"], one);
    fs::set_permissions(house.path("a"), fs::Permissions::from_mode(0o600)).unwrap();
    house.is_told_once();
}

#[test]
fn what_a_file_names_itself_is_watched_for_as_long_as_it_does() {
    let mut house = House::new(&["a"], |folder| {
        one(folder);
        fs::write(folder.join("secret"), "first").unwrap();
    });
    let secret = house.path("secret");
    house.watched.note_reading_of(&secret);
    assert_eq!([house.look(), house.look()], [Seen::Same, Seen::Same]);
    fs::write(&secret, "second one").unwrap();
    house.is_told_once();
    // It changes between the beginning of a reading and its own.
    house.watched.note_reading();
    fs::write(&secret, "a third one").unwrap();
    house.watched.note_reading_of(&secret);
    house.is_told_once();
    // It is named no more.
    house.watched.note_reading();
    fs::write(&secret, "the fourth of them").unwrap();
    assert_eq!([house.look(), house.look()], [Seen::Same, Seen::Same]);
    fs::write(house.path("a"), "another").unwrap();
    house.is_told_once();
}
