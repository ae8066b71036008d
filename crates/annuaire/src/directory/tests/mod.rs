//! A small directory by hand, and large ones by chance.

mod carriers;
mod changes;
mod image;
mod ranking;
mod rebuilding;
mod sample;
