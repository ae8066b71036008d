//! Writes an invented extraction of any size, or reads one: to try the annuaire with, and to measure it.
//!
//! ```text
//! cargo run --release -p testkit --example extraction -- write BALS SEED FILE.txt|FILE.zip
//! cargo run --release -p testkit --example extraction -- write-activities BALS SEED FILE.zip
//! cargo run --release -p testkit --example extraction -- read FILE
//! ```

use std::error::Error;
use std::fs::File;

use annuaire::{Extraction, Item, ReadingLimits};
use testkit::extraction::France;

const STAMP: &str = "202608250032";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", bals, seed, path] => {
            let france = France::new(seed.parse()?, bals.parse()?);
            let file = File::create(path)?;
            let written = if path.to_ascii_lowercase().ends_with("zip") {
                france.write_zip(file, &format!("Extraction_Correspondance_MSSante_{STAMP}.txt"))?
            } else {
                france.write_text(file)?
            };
            println!("{written:?}");
        }
        ["write-activities", bals, seed, path] => {
            let written = France::new(seed.parse()?, bals.parse()?).write_activities_zip(File::create(path)?, STAMP)?;
            println!("{written:?}");
        }
        ["read", path] => read(path)?,
        _ => return Err("write BALS SEED FILE | write-activities BALS SEED FILE | read FILE".into()),
    }
    Ok(())
}

fn read(path: &str) -> Result<(), Box<dyn Error>> {
    let mut octets = 0;
    let extraction = Extraction::open(File::open(path)?, path, ReadingLimits::default())?;
    println!("{:?} of {:?}", extraction.kind(), extraction.generated_at());
    let summary = extraction.read(
        &mut |item| match item {
            Item::Entry(entry) => octets += entry.address.local().as_str().len(),
            Item::Activity(activity) => octets += activity.structure.town.len(),
            Item::Rejected(rejection) => println!("{rejection:?}"),
        },
        &mut |_| {},
    )?;
    println!("{summary:?}, {octets} octets of local parts or towns");
    Ok(())
}
