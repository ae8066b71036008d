//! Many BALs at once, two administrators at once, and finding BALs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use mssante::{Address, BalKind, BalState, Listing};
use store::{BalEdit, BalSearch, NewBal, Seen, SeenEdit, Store, StoreError, TraceFilter};
use testkit::postgres::TestDatabase;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn team(n: usize) -> NewBal {
    NewBal {
        structure: Some("318751275100020".parse().unwrap()),
        display_name: Some(format!("Équipe n° {n}")),
        ..NewBal::new(address(&format!("equipe.{n:04}@ch.mssante.fr")), BalKind::Organisational)
    }
}

async fn create(store: &Store, count: usize) {
    let new: Vec<_> = (0..count).map(team).collect();
    assert_eq!(store.create_bals(&new).await.unwrap().len(), count);
}

#[tokio::test]
async fn many_bals_are_created_as_one_is() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    create(&store, 300).await;
    let one = store.create_bal(team(300)).await.unwrap();
    let of_many = store.bal(&address("equipe.0299@ch.mssante.fr")).await.unwrap().unwrap();
    assert_eq!(of_many.display_name.as_deref(), Some("Équipe n° 299"));
    for bal in [&one, &of_many] {
        let folders = store.folders(bal.id).await.unwrap();
        assert_eq!(folders.len(), 6, "{folders:?}");
        assert!(folders.iter().all(|folder| folder.subscribed));
    }
    let waiting: u64 = store.publication_counts().await.unwrap().into_values().sum();
    assert_eq!(waiting, 301);
}

#[tokio::test]
async fn of_a_batch_with_an_address_that_is_taken_nothing_is_created() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = store.create_bal(team(1)).await.unwrap();
    store.add_alias(bal.id, &team(2).address).await.unwrap();
    let taken = store.create_bals(&[team(0), team(1)]).await;
    assert!(matches!(taken, Err(StoreError::BalExists(_))), "{taken:?}");
    let alias = store.create_bals(&[team(0), team(2)]).await;
    assert!(matches!(alias, Err(StoreError::AliasExists(_))), "{alias:?}");
    assert_eq!(store.bal(&team(0).address).await.unwrap(), None);
    assert_eq!(store.aliases_at(&[team(2).address]).await.unwrap(), [(team(2).address, team(1).address)]);
}

#[tokio::test]
async fn two_imports_of_the_same_list_at_once_create_each_bal_once() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (forth, back): (Vec<_>, Vec<_>) = ((0..100).map(team).collect(), (0..100).rev().map(team).collect());
    let (one, other) = tokio::join!(store.create_bals(&forth), store.create_bals(&back));
    let refused = [one.is_err(), other.is_err()];
    assert_eq!(refused.iter().filter(|refused| **refused).count(), 1, "{refused:?}");
    let page = store.search_bals(&BalSearch::default(), 1000).await.unwrap();
    assert_eq!(page.bals.len(), 100);
}

#[tokio::test]
async fn two_administrators_who_change_different_things_both_have_their_way() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = store.create_bal(team(0)).await.unwrap();
    let service = BalEdit { service: Some("Cardiologie".into()), ..BalEdit::default() };
    let listing = BalEdit { listing: Some(Listing::Unlisted), ..BalEdit::default() };
    let (one, other) = tokio::join!(store.edit_bal(bal.id, &service), store.edit_bal(bal.id, &listing));
    one.unwrap();
    other.unwrap();
    let now = store.bal(&bal.address).await.unwrap().unwrap();
    assert_eq!((now.service.as_deref(), now.listing), (Some("Cardiologie"), Listing::Unlisted));
    assert_eq!(now.display_name, bal.display_name);
    assert_eq!(now.revision, bal.revision + 2);
}

#[tokio::test]
async fn of_many_edits_those_of_bals_that_changed_meanwhile_are_left_out() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let (one, other) = (store.create_bal(team(0)).await.unwrap(), store.create_bal(team(1)).await.unwrap());
    let service = |word: &str| BalEdit { service: Some(word.into()), ..BalEdit::default() };
    store.edit_bal(other.id, &service("Urgences")).await.unwrap();
    let edits = [&one, &other].map(|bal| SeenEdit { id: bal.id, revision: bal.revision, edit: service("Accueil") });
    assert_eq!(store.edit_bals(&edits).await.unwrap(), [one.id].into());
    let services = [&one, &other].map(|bal| store.bal(&bal.address));
    let [one, other] = services.map(async |bal| bal.await.unwrap().unwrap().service);
    assert_eq!((one.await.as_deref(), other.await.as_deref()), (Some("Accueil"), Some("Urgences")));
    let edited = store.traces(&TraceFilter { limit: 100, ..TraceFilter::default() }).await.unwrap();
    assert_eq!(edited.iter().filter(|trace| trace.event == "bal.edited").count(), 2, "{edited:?}");
}

#[tokio::test]
async fn whoever_saw_an_older_bal_is_told_to_look_again() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let bal = store.create_bal(team(0)).await.unwrap();
    let seen = Seen { revision: Some(bal.revision), state: Some(bal.state) };
    let (suspended, closed) = tokio::join!(
        store.move_bal(bal.id, BalState::Suspended, "absent", seen),
        store.move_bal(bal.id, BalState::Closed, "left", seen),
    );
    let refused = [suspended, closed].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(matches!(refused[0], StoreError::Overtaken(_)) && refused[0].to_string().contains("look at it again"));
    let edit = BalEdit { service: Some("Urgences".into()), ..BalEdit::default() };
    let late = store.edit_seen_bal(bal.id, &edit, seen).await;
    assert!(matches!(late, Err(StoreError::Overtaken(_))), "{late:?}");
    store.set_password_hash(bal.id, "$argon2id$x").await.unwrap();
    let now = store.bal(&bal.address).await.unwrap().unwrap();
    assert_eq!(now.service, None);
    let seen = Seen { revision: Some(now.revision), state: None };
    assert_eq!(store.edit_seen_bal(bal.id, &edit, seen).await.unwrap().service.as_deref(), Some("Urgences"));
}

#[tokio::test]
async fn bals_are_found_by_words_in_any_case_page_by_page() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    create(&store, 25).await;
    let search = |text: &str| BalSearch { text: Some(text.into()), ..BalSearch::default() };
    let found = |text: &'static str| {
        let store = store.clone();
        async move { store.search_bals(&search(text), 100).await.unwrap().bals.len() }
    };
    assert_eq!((found("EQUIPE 17").await, found("équipe").await, found("personne").await), (1, 25, 0));
    assert_eq!((found("%").await, found("0_7").await), (0, 0), "no wildcards");
    let mut seen = Vec::new();
    let mut search = BalSearch { kind: Some(BalKind::Organisational), ..BalSearch::default() };
    loop {
        let page = store.search_bals(&search, 10).await.unwrap();
        seen.extend(page.bals.into_iter().map(|bal| bal.address));
        let Some(next) = page.next else { break };
        search.after = Some(next);
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted_by_key(Address::key));
    let none = BalSearch { kind: Some(BalKind::Cabinet), ..BalSearch::default() };
    assert_eq!(store.search_bals(&none, 10).await.unwrap().bals, []);
}
