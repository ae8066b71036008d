//! `pli bal export`: BALs as a list that `import` reads back.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::Find;
use crate::admin::{Administration, Column, LARGEST_PAGE, guarded, record};
use crate::failure::Failure;

/// Which BALs, and how.
#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// csv (with semicolons, UTF-8 with its mark, as Excel opens it) or json.
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    #[command(flatten)]
    find: Find,
    /// With these words only.
    #[arg(long)]
    text: Option<String>,
}

/// How BALs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
}

impl Export {
    /// Page by page: an operator may have hundreds of thousands.
    pub(super) async fn work(self, admin: &Administration) -> Result<(), Failure> {
        let mut search = self.find.search(self.text);
        let mut output = Output::begin(self.format)?;
        loop {
            let page = admin.search(&search, LARGEST_PAGE).await?;
            page.bals.iter().try_for_each(|bal| output.put(bal))?;
            let Some(next) = page.next else { return output.end() };
            search.after = Some(next);
        }
    }
}

/// The first line of a list, with the names of its columns.
pub(super) fn template() -> Result<(), Failure> {
    let mut writer = writer()?;
    let columns = Column::ALL.into_iter().filter(|column| *column != Column::State);
    writer.write_record(columns.map(Column::name)).map_err(|error| broken(&error))?;
    writer.flush().map_err(|error| broken(&error))
}

/// Standard output, with the mark by which Excel knows UTF-8.
fn writer() -> Result<csv::Writer<std::io::Stdout>, Failure> {
    let mut output = std::io::stdout();
    output.write_all("\u{feff}".as_bytes()).map_err(|error| broken(&error))?;
    Ok(csv::WriterBuilder::new().delimiter(b';').terminator(csv::Terminator::CRLF).from_writer(output))
}

fn broken(error: &dyn std::error::Error) -> Failure {
    Failure::Refused(format!("standard output: {error}"))
}

enum Output {
    Csv(Box<csv::Writer<std::io::Stdout>>),
    /// How many were written.
    Json(u64),
}

impl Output {
    fn begin(format: Format) -> Result<Self, Failure> {
        if format == Format::Json {
            return Ok(Self::Json(0));
        }
        let mut writer = writer()?;
        writer.write_record(Column::ALL.map(Column::name)).map_err(|error| broken(&error))?;
        Ok(Self::Csv(Box::new(writer)))
    }

    fn put(&mut self, bal: &store::BalRecord) -> Result<(), Failure> {
        match self {
            Self::Csv(writer) => {
                let cells = record(bal);
                writer.write_record(cells.iter().map(|cell| guarded(cell).into_owned())).map_err(|error| broken(&error))
            }
            Self::Json(written) => {
                let text = serde_json::to_string(bal).map_err(|error| broken(&error))?;
                let before = if *written == 0 { "[" } else { "," };
                *written += 1;
                writeln!(std::io::stdout(), "{before}{text}").map_err(|error| broken(&error))
            }
        }
    }

    fn end(self) -> Result<(), Failure> {
        match self {
            Self::Csv(mut writer) => writer.flush().map_err(|error| broken(&error)),
            Self::Json(0) => crate::cli::line("[]"),
            Self::Json(_) => crate::cli::line("]"),
        }
    }
}
