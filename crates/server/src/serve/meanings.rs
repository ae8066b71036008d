//! What every metric means, in one place: `/metrics` says it with each.

/// How a metric moves.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

use Kind::{Counter, Gauge, Histogram};

/// Every metric of this program, in the order of names.
#[rustfmt::skip]
const MEANINGS: &[(Kind, &str, &str)] = &[
    (Counter, "pli_admin_refused_total", "connections and requests to the administrators' API of somebody whom neither a token nor a certificate names"),
    (Gauge, "pli_annuaire_age_seconds", "seconds since the entries of the directory were generated, or last said to be current if that is earlier"),
    (Gauge, "pli_annuaire_entries", "BALs in the directory in force, by kind"),
    (Gauge, "pli_annuaire_import_seconds", "how long the last import took that this node did"),
    (Gauge, "pli_annuaire_pending", "1 if a directory waits for `pli annuaire acknowledge`"),
    (Counter, "pli_annuaire_refresh_failures_total", "sources of the directory that gave nothing, by kind"),
    (Counter, "pli_annuaire_refusals_total", "directories that were not taken, by reason"),
    (Gauge, "pli_annuaire_rejected_lines", "lines that the import of the directory in force passed over"),
    (Gauge, "pli_annuaire_unusable", "1 if the directory of the database cannot be used by this node"),
    (Counter, "pli_audit_entered_total", "lines that this node entered into the audit trail"),
    (Counter, "pli_audit_failures_total", "how often work on the audit trail failed, by step"),
    (Counter, "pli_audit_removed_total", "lines of the audit trail whose content went because its retention was over"),
    (Counter, "pli_auth_delayed_total", "log-ins that had to wait because of failed ones before"),
    (Counter, "pli_auth_total", "log-ins, by mechanism and outcome"),
    (Counter, "pli_bal_emptied_total", "closed BALs that were emptied, their retention being over"),
    (Counter, "pli_bal_inactive_closed_total", "BALs that were closed because nobody opened them"),
    (Counter, "pli_bal_inactive_warnings_total", "BALs that were told that nobody opens them"),
    (Counter, "pli_bal_quota_warnings_total", "letters to BALs that are nearly full"),
    (Gauge, "pli_bals", "BALs of this operator that the resolver knows"),
    (Gauge, "pli_bals_inactive", "BALs that nobody opens: warned and still open, or closed for it; set by the node that made the last round"),
    (Counter, "pli_bals_read_total", "BALs that were read for the resolver: those that changed, and now and then all"),
    (Gauge, "pli_certificate_expiry_seconds", "when our certificate in use by this part ends, in seconds since 1970"),
    (Counter, "pli_certificate_reloads_total", "how often our certificate files were read again, and whether what they held was taken or refused"),
    (Gauge, "pli_connections", "open connections, by listener"),
    (Counter, "pli_connections_refused_total", "connections that were turned away because there were too many, by listener and reason"),
    (Counter, "pli_connections_total", "connections that were accepted, by listener"),
    (Counter, "pli_database_restarts_total", "how often the private database was started again after it had died"),
    (Counter, "pli_hop_letters_in_our_name_total", "letters of other operators with an address of ours in From that were taken (rules.own_from_on_hops = \"warn\")"),
    (Histogram, "pli_imap_command_seconds", "how long IMAP commands took, by command"),
    (Counter, "pli_imap_commands_total", "IMAP commands, by command"),
    (Gauge, "pli_imap_sessions", "open IMAP sessions"),
    (Counter, "pli_log_ins_untraced_total", "log-ins that are not in the audit trail, because there were too many or the database failed"),
    (Counter, "pli_mss_fields_total", "fields of MSSanté that were read in accepted messages, by field and what was found"),
    (Counter, "pli_patient_answers_not_redirected_total", "BALs in Reply-To of an applicative BAL that no patient may answer for it: of another structure, without replies, or software themselves"),
    (Counter, "pli_patient_conversations_ended_total", "letters with the subject [FIN] to patients"),
    (Counter, "pli_patient_letters_doubtful_total", "letters of patients that were taken although a rule would refuse them, by reason (rules.patients = \"warn\")"),
    (Counter, "pli_publication_outcomes_total", "how telling the national directory of a BAL ended"),
    (Gauge, "pli_publications", "BALs by what the national directory knows of them"),
    (Counter, "pli_recipients_not_in_annuaire_total", "recipients of other operators whose domain the directory knows and whose address it does not (annuaire.peer_recipients = \"warn\")"),
    (Counter, "pli_refusals_untraced_total", "refusals that are not in the audit trail, because there were too many or the database failed"),
    (Counter, "pli_relay_deferred_total", "tries to hand a message over that will be made again, by reason"),
    (Counter, "pli_relay_failed_total", "recipients that were given up and reported to the sender, by reason"),
    (Counter, "pli_relay_handed_over_total", "recipients that another operator took over"),
    (Counter, "pli_relay_held_total", "recipients that failed and could not be reported: they are held until somebody looks"),
    (Counter, "pli_relay_hops_failed_total", "hops that could not be opened or broke, by reason"),
    (Counter, "pli_relay_hops_refused_total", "hops that we did not use because of the peer's certificate or the trust list, by reason"),
    (Counter, "pli_relay_unsettled_total", "outcomes of tries that came too late to be written down: another node had the entry by then"),
    (Counter, "pli_reply_to_warnings_total", "messages of applicative BALs whose Reply-To is no BAL of ours (rules.app_reply_to = \"warn\")"),
    (Gauge, "pli_revocation_authorities_unchecked", "accepted authorities of which no revocation list in force says whether they were revoked"),
    (Counter, "pli_revocation_checks_total", "certificates looked up at handshakes, by outcome (good, revoked, unknown) and source (list, stapled, responder, none)"),
    (Counter, "pli_revocation_doubts_accepted_total", "times that a certificate of unknown standing was accepted because revocation.when_unknown says so"),
    (Gauge, "pli_revocation_list_end_seconds", "when the revocation list of this URL ends (nextUpdate), in seconds since 1970"),
    (Gauge, "pli_revocation_lists", "revocation lists in use"),
    (Histogram, "pli_smtp_accept_seconds", "from the end of a message to its reply, by role"),
    (Counter, "pli_smtp_accepted_total", "messages that were accepted, by role"),
    (Counter, "pli_smtp_other_protocol_total", "connections that spoke another protocol than SMTP"),
    (Counter, "pli_smtp_refusals_total", "refusals, by role and reason"),
    (Counter, "pli_smtp_sessions_total", "SMTP sessions, by role"),
    (Counter, "pli_smtp_starttls_injections_total", "sessions that ended because commands came together with STARTTLS"),
    (Counter, "pli_smtp_tls_failures_total", "handshakes that failed, by role and reason"),
    (Counter, "pli_store_commits_total", "transactions in which messages were stored"),
    (Counter, "pli_store_doubts_total", "commits of which the database did not say whether they happened: looked up afterwards"),
    (Counter, "pli_store_failures_total", "messages that could not be stored: the sender tries again"),
    (Counter, "pli_store_messages_total", "messages that were stored"),
    (Counter, "pli_store_swept_total", "what nobody refers to any more and was removed, by kind"),
    (Counter, "pli_store_unreadable_entries_total", "entries of the queue that cannot be read: they are held"),
    (Gauge, "pli_trust_list_age_seconds", "seconds since the source of the trust list last said that it is current"),
    (Gauge, "pli_trust_list_confirmed_timestamp", "when its source last said that the trust list is current, in seconds since 1970"),
    (Gauge, "pli_trust_list_domains", "domains on the trust list in force"),
    (Gauge, "pli_trust_list_generated_timestamp", "when the trust list in force was generated, in seconds since 1970"),
    (Gauge, "pli_trust_list_pending", "1 if a trust list waits for `pli trust acknowledge`"),
    (Counter, "pli_trust_list_refusals_total", "trust lists that were not taken, by reason"),
    (Gauge, "pli_trust_list_standing", "1 for the state in which the trust list is"),
    (Counter, "pli_trust_source_failures_total", "sources of lists that gave nothing, by kind"),
    (Counter, "pli_xdm_archives_total", "archives IHE_XDM.ZIP that were looked into, by role and outcome"),
    (Histogram, "pli_xdm_look_seconds", "how long it took to look into an archive IHE_XDM.ZIP"),
    (Counter, "pli_xdm_verdicts_total", "what was found wrong with archives IHE_XDM.ZIP, by role and code"),
];

/// Tells whoever reads the metrics what they mean.
pub(super) fn describe() {
    for (kind, name, meaning) in MEANINGS.iter().copied() {
        match kind {
            Counter => metrics::describe_counter!(name, meaning),
            Gauge => metrics::describe_gauge!(name, meaning),
            Histogram => metrics::describe_histogram!(name, meaning),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The names of metrics in the sources below a folder, but for this file: `counter!("…"`, and so on, or
    /// `gauge_of_moment("…"`.
    fn used(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                used(&path, names);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("meanings.rs") {
                let text = fs::read_to_string(&path).unwrap();
                for call in ["counter!(", "gauge!(", "histogram!(", "gauge_of_moment("] {
                    let names_of = text.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                    names.extend(names_of.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
                }
            }
        }
    }

    #[test]
    fn every_metric_is_described_and_every_description_is_of_a_metric() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut counted = BTreeSet::new();
        for entry in fs::read_dir(crates).unwrap() {
            let sources = entry.unwrap().path().join("src");
            if sources.is_dir() {
                used(&sources, &mut counted);
            }
        }
        let described: Vec<String> = MEANINGS.iter().map(|(_, name, _)| (*name).to_owned()).collect();
        assert!(described.is_sorted(), "in the order of names");
        assert_eq!(described, counted.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn names_say_how_a_metric_moves() {
        for (kind, name, meaning) in MEANINGS {
            assert_eq!(matches!(kind, Counter), name.ends_with("_total"), "{name}");
            assert!(name.starts_with("pli_") && !meaning.is_empty(), "{name}");
        }
    }
}
