use std::collections::HashMap;
use std::path::Path;

use super::{load, parse};

/// The smallest configuration: only what has no default.
const SMALLEST: &str = r#"
    [operator]
    hostname = "mail.ch.mssante.fr"
    domains = ["ch.mssante.fr"]
    [data]
    dir = "/tmp/none"
    [tls]
    certificate_file = "/dev/null"
    key_file = "/dev/null"
    anchors_file = "/dev/null"
    issuers_file = "/dev/null"
    [trust_list]
    file = "/dev/null"
"#;

fn parsed(text: &str, environment: &[(&str, &str)]) -> Result<super::Settings, String> {
    let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    parse(text, Some(environment))
}

/// A configuration for tests of other modules; its only domain is `ch.mssante.fr`.
pub(crate) fn for_tests() -> super::Settings {
    parsed(SMALLEST, &[]).unwrap()
}

fn checked(text: &str) -> Result<(), String> {
    let settings = parsed(text, &[])?;
    settings.check()?;
    settings.check_files()?;
    settings.check_list_files()
}

fn example() -> String {
    of_the_repository("config/pli.toml")
}

fn of_the_repository(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)).unwrap()
}

#[test]
fn the_annotated_example_states_exactly_the_defaults() {
    let example = parsed(&example(), &[]).unwrap();
    let mut smallest = parsed(SMALLEST, &[]).unwrap();
    smallest.operator = example.operator.clone();
    smallest.data = example.data.clone();
    smallest.tls = example.tls.clone();
    smallest.trust_list.file = None;
    smallest.trust_list.url.clone_from(&example.trust_list.url);
    assert_eq!(format!("{example:#?}"), format!("{smallest:#?}"));
}

#[test]
fn the_annotated_example_names_every_setting() {
    let example = example();
    let debug = format!("{:#?}", parsed(SMALLEST, &[]).unwrap());
    for line in debug.lines() {
        let Some((name, _)) = line.trim().split_once(": ") else { continue };
        let stands = example.lines().any(|line| {
            let line = line.trim_start_matches("# ");
            line.starts_with(&format!("{name} = ")) || line.ends_with(&format!("{name}]"))
        });
        assert!(
            stands || !name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{name} is not in config/pli.toml"
        );
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let settings = parsed(
        SMALLEST,
        &[
            ("PLI__SUBMISSION__MAX_SIZE", "10485760"),
            ("PLI__HOP__LISTEN", "127.0.0.1:2525, [::1]:2525"),
            ("PLI__OPERATOR__DOMAINS", "a.mssante.fr,b.mssante.fr"),
            ("PLI__RELAY__RETRY", "10s,1m"),
            ("PLI__DNS__SERVERS", "192.0.2.53,[2001:db8::53]:5353"),
            ("PLI__IMAP__IDLE_TIMEOUT", "45m"),
            ("PLI_CONFIG", "/elsewhere"),
        ],
    )
    .unwrap();
    assert_eq!(settings.submission.max_size, 10_485_760);
    assert_eq!(settings.hop.listen.len(), 2);
    assert_eq!(settings.operator.domains.len(), 2);
    assert_eq!(settings.relay.retry.iter().map(std::time::Duration::as_secs).collect::<Vec<_>>(), [10, 60]);
    assert_eq!(settings.imap.idle_timeout.as_secs(), 2700);
    let servers = settings.dns.servers.iter().map(|server| server.0.to_string()).collect::<Vec<_>>();
    assert_eq!(servers, ["192.0.2.53:53", "[2001:db8::53]:5353"]);
}

#[test]
fn routes_are_read_with_their_dots() {
    let text = format!("{SMALLEST}\n[relay.routes]\n\"pharmacie.mssante.fr\" = \"127.0.0.1:2525\"\n");
    let settings = parsed(&text, &[]).unwrap();
    let route = &settings.relay.routes[&mssante::Domain::parse("pharmacie.mssante.fr").unwrap()];
    assert_eq!((route.host.as_str(), route.port), ("127.0.0.1", 2525));
}

#[test]
fn a_mistyped_setting_is_named() {
    let error = parsed(&format!("{SMALLEST}\n[hop]\nmax_sise = 3\n"), &[]).unwrap_err();
    assert!(error.contains("max_sise") && error.contains("max_size"), "{error}");
    let error = parsed(&format!("{SMALLEST}\n[hop]\nmax_size = \"big\"\n"), &[]).unwrap_err();
    assert!(error.contains("hop.max_size"), "{error}");
    let error = parsed(&format!("{SMALLEST}\n[relay]\nretry = [\"soon\"]\n"), &[]).unwrap_err();
    assert!(error.contains("relay.retry") && error.contains("soon"), "{error}");
}

#[test]
fn what_cannot_work_is_refused_with_the_setting_that_is_wrong() {
    assert_eq!(checked(SMALLEST), Ok(()));
    for (section, expected) in [
        ("[http]\nlisten = \"0.0.0.0:9080\"", "http.listen"),
        ("[imap]\nidle_timeout = \"5s\"", "imap.idle_timeout"),
        ("[submission]\nhashing_jobs = 0", "submission.hashing_jobs"),
        ("[dns]\ntimeout = \"0s\"", "dns.timeout"),
        ("[dns]\nzone_file = \"/nowhere/zone\"", "dns.zone_file"),
        ("[hop]\nclient_certificate = \"requested\"", "hop.client_certificate must be \"required\""),
        ("[hop]\nclient_certificate = \"off\"", "hop.client_certificate must be \"required\""),
        ("[database]\nurl = \"mysql://x\"", "database.url"),
        ("[audit]\nenter_every = \"1h\"", "audit.enter_every"),
        ("[audit.retention]\nlog_in = \"1h\"", "audit.retention.log_in"),
        ("[log]\nlevel = \"loud\"", "log.level: 'loud'"),
        ("[log]\nlevel = \"info,smtp=loud\"", "log.level"),
        (
            "[hop]\nlisten = [\"127.0.0.1:993\"]\n[imap]\nlisten_tls = [\"127.0.0.1:993\"]",
            "imap.listen_tls and hop.listen",
        ),
        ("[database]\nurl = \"postgres://x\"\nurl_file = \"/dev/null\"", "database.url"),
    ] {
        let error = checked(&format!("{SMALLEST}\n{section}\n")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let error = checked(&SMALLEST.replace("[\"ch.mssante.fr\"]", "[]")).unwrap_err();
    assert!(error.contains("operator.domains"), "{error}");
    let error = checked(&SMALLEST.replace("key_file = \"/dev/null\"", "key_file = \"/nowhere/key\"")).unwrap_err();
    assert!(error.contains("tls.key_file") && error.contains("/nowhere/key"), "{error}");
}

#[test]
fn only_the_ans_signs_the_list_unless_the_setting_is_emptied() {
    let plain = parsed(SMALLEST, &[]).unwrap();
    assert_eq!(plain.trust_list.signer_unit().as_deref(), Some("318751275100020"));
    assert!(!plain.warnings().iter().any(|warning| warning.contains("trust_list")));
    let open = parsed(&format!("{SMALLEST}\nsigner_ou = \"\"\n"), &[]).unwrap();
    assert_eq!(open.trust_list.signer_unit(), None);
    assert!(open.warnings().iter().any(|warning| warning.contains("trust_list.signer_ou")));
    let unsigned = parsed(&format!("{SMALLEST}\nsignature = \"off\"\n"), &[]).unwrap();
    assert!(unsigned.warnings().iter().any(|warning| warning.contains("trust_list.signature")));
}

#[test]
fn a_key_that_everybody_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("server.key");
    std::fs::write(&key, "key").unwrap();
    let mut settings = parsed(SMALLEST, &[]).unwrap();
    settings.tls.key_file.clone_from(&key);
    for (mode, open) in [(0o600, false), (0o640, false), (0o644, true)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let warned = settings.warnings().iter().any(|warning| warning.contains("server.key"));
        assert_eq!(warned, open, "{mode:o}");
    }
}

#[test]
fn the_url_of_the_database_is_never_printed() {
    let text = format!("{SMALLEST}\n[database]\nurl = \"postgres://pli:hunter2@db/pli\"\n");
    assert!(!format!("{:?}", parsed(&text, &[]).unwrap()).contains("hunter2"));
}

#[test]
fn a_missing_file_is_a_configuration_error_that_says_how_to_name_one() {
    let failure = load(Path::new("/nowhere/pli.toml")).unwrap_err();
    assert_eq!(failure.exit_code(), 3);
    assert!(failure.to_string().contains("--config"), "{failure}");
}

#[test]
fn an_environment_without_settings_changes_nothing() {
    let plain = parse(SMALLEST, Some(HashMap::new())).unwrap();
    assert_eq!(plain.relay.port, 25);
}

#[test]
fn the_list_has_one_source_and_what_vouches_for_it_fits() {
    for (more, expected) in [
        ("url = \"https://list.example.fr/l.xml\"", "trust_list.url and trust_list.file are both set"),
        ("url_anchors_file = \"/dev/null\"", "trust_list.url_anchors_file is for trust_list.url"),
        ("signature = \"sha256\"", "needs the SHA-256"),
        ("signature = \"sha256\"\nchecksum_url = \"http://x/\"", "trust_list.checksum_url = \"http://x/\""),
        ("signature = \"sha256\"\nchecksum_url = \"https://x/\"\nchecksum_file = \"/dev/null\"", "are both set"),
        ("checksum_file = \"/dev/null\"", "for trust_list.signature = \"sha256\" only"),
        ("max_shrink = 101", "trust_list.max_shrink"),
        ("refresh = \"1ms\"", "trust_list.refresh"),
        ("refresh = \"24h\"", "trust_list.stale_after"),
        ("expired_after = \"23h\"", "trust_list.expired_after"),
        ("[revocation]\ncrl_urls = [\"ldap://x\"]", "revocation.crl_urls: 'ldap://x'"),
        ("[revocation]\ncrl_refresh = \"0s\"", "revocation.crl_refresh"),
        ("[revocation]\npatience = \"21s\"", "revocation.patience is over 20s"),
        ("[fetch]\nproxy = \"socks5://x\"", "fetch.proxy"),
        ("[fetch]\ntimeout = \"0s\"", "fetch.timeout"),
        ("[annuaire]\nurl = \"http://x/\"", "annuaire.url = \"http://x/\""),
        ("[annuaire]\nactivities_url = \"ftp://x/\"", "annuaire.activities_url"),
        ("[annuaire]\nmax_shrink = 101", "annuaire.max_shrink"),
        ("[annuaire]\nrefresh = \"10ms\"", "annuaire.refresh"),
        ("[annuaire]\nstale_after = \"30m\"", "annuaire.stale_after"),
        ("[annuaire.fhir]\nurl = \"http://x/fhir\"", "annuaire.fhir.url"),
        ("[annuaire.fhir]\nurl = \"https://x/fhir\"", "annuaire.fhir.key_file"),
        ("[annuaire]\nurl = \"https://x/\"\nfhir.url = \"https://x/\"", "annuaire.url and annuaire.fhir.url"),
        (
            "[annuaire]\nfhir = { url = \"https://x/\", key_file = \"/dev/null\", calls_per_second = 18 }",
            "allows 1 to 17",
        ),
        (
            "[annuaire]\nfhir = { url = \"https://x/\", key_file = \"/dev/null\", full_every = \"0s\" }",
            "annuaire.fhir.full_every",
        ),
        (
            "[annuaire]\nstale_after = \"2h\"\nfhir = { url = \"https://x/\", key_file = \"/dev/null\", refresh = \"3h\" }",
            "annuaire.stale_after is shorter than annuaire.fhir.refresh",
        ),
        ("[publication]\ntransport = \"file\"", "publication.folder"),
        ("[publication]\ntransport = \"fhir\"", "publication.url"),
        ("[publication]\ntransport = \"fhir\"\nurl = \"http://x\"", "publication.url = \"http://x\""),
        ("[publication]\ntransport = \"fhir\"\nurl = \"https://x\"", "publication.key_file"),
        ("[publication]\nkey_file = \"/nowhere/key\"", "publication.key_file"),
        ("[bal]\nround = \"0s\"", "bal.round"),
        ("[bal]\ninactive_warning = \"1 year\"\ninactive_closing = \"1 month\"", "bal.inactive_warning"),
        ("[bal]\nclosed_retention = \"200 years\"", "longer than a century"),
        ("[quota]\nper = \"2 GB\"", "'2 GB' is not a size"),
        ("[rules]\napp_reply_to = \"maybe\"", "app_reply_to"),
        ("[annuaire]\npatient_domains = [\"ch.mssante.fr\"]", "annuaire.patient_domains"),
    ] {
        let error = checked(&format!("{SMALLEST}\n{more}\n")).unwrap_err();
        assert!(error.contains(expected), "{more}: {error}");
    }
    let error = checked(&SMALLEST.replace("[trust_list]\n    file = \"/dev/null\"", "[trust_list]")).unwrap_err();
    assert!(error.contains("trust_list.url"), "{error}");
    let url = |url: &str| {
        SMALLEST.replace("[trust_list]\n    file = \"/dev/null\"", &format!("[trust_list]\nurl = \"{url}\""))
    };
    assert_eq!(checked(&url("https://list.example.fr/l.xml")), Ok(()));
    assert!(checked(&url("http://list.example.fr/l.xml")).unwrap_err().contains("https://"));
    assert_eq!(checked(&format!("{SMALLEST}\nsignature = \"sha256\"\nchecksum_file = \"/dev/null\"")), Ok(()));
}

#[test]
fn what_looks_at_revocation_less_closely_says_so() {
    let warned = |section: &str, word: &str| {
        let settings = parsed(&format!("{SMALLEST}\n{section}\n"), &[]).unwrap();
        settings.warnings().iter().any(|warning| warning.contains(word))
    };
    assert!(!warned("", "revocation"), "required unless somebody says otherwise");
    assert!(warned("[revocation]\ncheck = \"off\"", "revocation.check"));
    assert!(warned("[revocation]\nwhen_unknown = \"accept\"", "revocation.when_unknown"));
    assert!(warned("signature = \"sha256\"\nchecksum_file = \"/dev/null\"", "trust_list.signature"));
}

/// `PLI__SECTION__SETTING` and its value, as `docker-compose.yml` (with `: `) and `Dockerfile` (with `=`) write them.
fn variables(file: &str, sign: &str) -> Vec<(String, String)> {
    let lines = of_the_repository(file);
    let lines = lines.lines().map(|line| line.trim().trim_start_matches("ENV ").trim_end_matches(" \\"));
    let pairs = lines.filter(|line| line.starts_with("PLI__")).filter_map(|line| line.split_once(sign));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_container_runs_with_the_example_and_needs_the_files_that_compose_names() {
    let (image, compose) = (variables("Dockerfile", "="), variables("docker-compose.yml", ": "));
    assert!(image.len() >= 5 && compose.len() >= 5, "{image:?} {compose:?}");
    let settings = parse(&example(), Some(image.into_iter().chain(compose.clone()).collect())).unwrap();
    assert_eq!(settings.check(), Ok(()));
    let header = of_the_repository("docker-compose.yml");
    for (name, file) in compose.iter().filter_map(|(name, file)| Some((name, file.strip_prefix("/etc/pli/")?))) {
        let named = header.lines().any(|line| line.starts_with(&format!("#   etc/{file} ")));
        assert!(named, "{name}: etc/{file} is not among the files to bring");
    }
}

#[test]
fn an_empty_source_counts_as_none() {
    let url = [("PLI__TRUST_LIST__FILE", ""), ("PLI__TRUST_LIST__URL", "https://list.example.fr/l.xml")];
    let settings = parsed(SMALLEST, &url).unwrap();
    assert_eq!(settings.check(), Ok(()));
    assert_eq!(settings.trust_list.source(), Some(super::ListSource::Url("https://list.example.fr/l.xml")));
    let neither = parsed(SMALLEST, &[("PLI__TRUST_LIST__FILE", "")]).unwrap().check().unwrap_err();
    assert!(neither.contains("trust_list names no source"), "{neither}");
    let plain = parsed(&format!("{SMALLEST}\nchecksum_url = \"\"\nchecksum_file = \"\"\n"), &[]).unwrap();
    assert_eq!(plain.check(), Ok(()));
}

#[test]
fn a_missing_list_is_a_warning_and_an_error_for_check_config_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pli.toml");
    std::fs::write(&file, SMALLEST.replace(" file = \"/dev/null\"", " file = \"/nowhere/list.xml\"")).unwrap();
    let settings = load(&file).unwrap();
    assert!(
        settings.warnings().iter().any(|warning| warning.contains("/nowhere/list.xml")),
        "{:?}",
        settings.warnings()
    );
    let failure = super::load_with_list(&file).unwrap_err();
    assert!(failure.exit_code() == 3 && failure.to_string().contains("trust_list.file"), "{failure}");
    assert_eq!(for_tests().list_warning(), None);
}

#[test]
fn a_database_is_there_if_it_is_named_or_its_cluster_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = for_tests();
    settings.data.dir = folder.path().to_owned();
    std::fs::create_dir(folder.path().join("postgresql")).unwrap();
    assert!(!settings.has_database(), "a cluster that was never finished");
    std::fs::create_dir(folder.path().join("postgresql/data")).unwrap();
    assert!(settings.has_database());
    assert!(parsed(&format!("{SMALLEST}\n[database]\nurl_file = \"/dev/null\"\n"), &[]).unwrap().has_database());
}

#[test]
fn only_errors_of_archives_can_be_tolerated() {
    let with = |code: &str| parsed(&format!("{SMALLEST}\n[rules]\nxdm_tolerated = [\"{code}\"]\n"), &[]);
    assert!(with("hash-mismatch").is_ok());
    assert!(with("hash-mismach").unwrap_err().contains("`pli rules` prints them"));
    assert!(with("readme-missing").unwrap_err().contains("never refused"));
}
