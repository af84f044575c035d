//! The broker on a storage that fails: writes and syncs that break, full disks, power failures that tear whatever was not
//! synced, damage. Whatever happens: no panic, it opens again, and nothing that was confirmed is lost.

mod damage;
mod histories;
mod model;
