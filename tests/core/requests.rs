//! Every operation's request, whole, against a table taken from the vendor's reference.

use canvas_studio::api::groups::{self, GroupUserChange};
use canvas_studio::api::media::{self, Search};
use canvas_studio::api::media_upload::{self, Completion, Destination, FromUrl};
use canvas_studio::api::permissions::PermissionChange;
use canvas_studio::api::professional_captioning as captioning;
use canvas_studio::api::{Call, InvalidArgument, Request, RetrySafety, raw};
use canvas_studio::api::{captions, collections, courses, insights, ping, tags, transfer_media, users};

/// A request in the words of the reference: operation, method, path and query, JSON body, and where the result stands.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// All operations. Methods marked `inferred` are not printed on any page.
const REFERENCE: [Row; 54] = [
    ("list_collections", "GET", "/collections?page=1&per_page=50", "", "Page(\"collections\")"),
    ("create_collection", "POST", "/collections?name=Week 1&user_id=7", "", "Key(\"collection\")"),
    ("get_collection", "GET", "/collections/1", "", "Key(\"collection\")"),
    ("delete_collection", "DELETE", "/collections/1", "", "OptionalKeyOrRoot(\"collection\")"),
    ("archive_collection", "POST", "/collections/1/archive", "", "OptionalKeyOrRoot(\"collection\")"),
    ("unarchive_collection", "POST", "/collections/1/unarchive", "", "OptionalKeyOrRoot(\"collection\")"), // inferred
    ("list_collection_media", "GET", "/collections/1/media?page=2&per_page=20", "", "Page(\"media\")"),
    ("get_collection_permissions", "GET", "/collections/1/permissions", "", "Root"),
    ("change_collection_permissions", "POST", "/collections/1/permissions", CHANGES, "Root"),
    ("search_media", "GET", SEARCH, "", "Page(\"media\")"),
    ("get_media", "GET", "/media/1", "", "Key(\"media\")"),
    ("delete_media", "DELETE", "/media/1", "", "Key(\"media\")"),
    ("archive_media", "POST", "/media/1/archive", "", "KeyOrRoot(\"media\")"), // inferred
    ("unarchive_media", "POST", "/media/1/unarchive?collection_id=3", "", "KeyOrRoot(\"media\")"), // inferred
    ("list_media_courses", "GET", "/media/1/courses", "", "Page(\"courses\")"),
    ("create_embed", "POST", "/media/1/create_embed", EMBED, "Custom"), // observed
    ("get_download_url", "GET", "/media/1/download?quality=low", "", "Redirect"),
    ("get_media_permissions", "GET", "/media/1/permissions", "", "Root"),
    ("change_media_permissions", "POST", "/media/1/permissions", CHANGES, "Root"), // observed
    ("list_media_perspectives", "GET", "/media/1/perspectives", "", "Page(\"perspectives\")"),
    ("list_media_sources", "GET", "/media/1/sources", "", "Page(\"sources\")"),
    ("list_media_users", "GET", "/media/1/users?min_permission=view", "", "Page(\"user_permissions\")"),
    ("list_captions", "GET", "/media/1/caption_files", "", "Page(\"caption_files\")"),
    (
        "add_caption",
        "POST",
        "/media/1/caption_files?srclang=pt-BR",
        "<multipart: caption_file>",
        "Key(\"caption_file\")",
    ),
    ("download_caption", "GET", "/caption_files/4/download", "", "Custom"),
    ("get_caption_text", "GET", "/caption_files/4/download", "", "Custom"),
    ("get_course", "GET", "/courses/1301", "", "Key(\"course\")"),
    ("list_course_perspectives", "GET", "/courses/1301/perspectives", "", "Page(\"perspectives\")"),
    ("list_group_users", "GET", "/groups/11/users", "", "Page(\"group_users\")"),
    ("change_group_users", "POST", "/groups/11/users/batch_update", MEMBERS, "Page(\"group_users\")"),
    ("get_insights_overview", "GET", OVERVIEW, "", "Custom"),
    ("list_insights_users", "GET", WATCHED, "", "Page(\"\")"), // CSV
    ("create_media", "POST", "/media", FETCHED, "Key(\"media\")"),
    ("create_collection_media", "POST", FETCHED_INTO, "", "Key(\"media\")"),
    ("create_upload", "POST", "/media/uploads?user_id=7&collection_id=1", "", "Custom"), // observed
    ("complete_upload", "POST", "/media/uploads/1/complete", COMPLETED, "Key(\"media\")"),
    ("ping", "GET", "/ping", "", "Custom"),
    (
        "list_caption_requests",
        "GET",
        "/caption_file_requests?provider=professional&status=requested",
        "",
        "Page(\"caption_file_requests\")",
    ),
    (
        "update_caption_request",
        "PATCH",
        "/caption_file_requests/71",
        "<multipart: status, message, caption_file>",
        "Custom",
    ),
    ("list_captioning_services", "GET", "/captioning_service_types", "", "Page(\"captioning_service_types\")"),
    (
        "put_captioning_service",
        "PUT",
        "/captioning_service_types/fast",
        SERVICE,
        "OptionalKeyOrRoot(\"captioning_service_type\")", // inferred
    ),
    ("delete_captioning_service", "DELETE", "/captioning_service_types/fast", "", "Custom"),
    ("list_tags", "GET", "/media/1/tags", "", "Page(\"tags\")"),
    ("add_tag", "POST", "/media/1/tags?name=exam prep", "", "Key(\"tag\")"),
    ("remove_tag", "DELETE", "/media/1/tags/5", "", "Custom"),
    ("transfer_media", "POST", "/transfer_media", r#"{"from_user_id":3,"to_user_id":4}"#, "Root"),
    ("search_users", "GET", FOUND, "", "Page(\"users\")"),
    ("get_user", "GET", "/users/7", "", "Key(\"user\")"),
    ("list_user_media", "GET", "/users/7/media?page=1&per_page=50", "", "Page(\"media\")"),
    ("list_user_collections", "GET", "/users/7/collections?page=1&per_page=50", "", "Page(\"collections\")"),
    ("get_user_library", "GET", "/users/7/library", "", "KeyOrRoot(\"collection\")"), // inferred
    ("find_user", "GET", "/users/search?email=ada@example.edu&page=1&per_page=50", "", "Page(\"users\")"),
    ("request", "PATCH", "/caption_file_requests/4?status=failed", r#"{"a":1}"#, "Custom"),
    ("paginate", "GET", "/users/7/media?x=1&page=1&per_page=50", "", "Page(\"media\")"),
];

const CHANGES: &str = concat!(
    r#"[{"action":"create","id":7,"share_type":"user","permission_type":"view"},"#,
    r#"{"action":"destroy","id":8,"share_type":"group"}]"#
);

const EMBED: &str = r#"{"course_id":9,"embed_type":"bare_embed","downloadable":false}"#;

const MEMBERS: &str = r#"[{"action":"add","user_id":7,"permission":"member"},{"action":"remove","user_id":8}]"#;

const UUID: &str = "7a0c9d3e-6a55-4d2c-9a0b-0d6a5f3e1c77";
const OVERVIEW: &str = "/perspectives/7a0c9d3e-6a55-4d2c-9a0b-0d6a5f3e1c77/insights/overview";
const WATCHED: &str = "/perspectives/7a0c9d3e-6a55-4d2c-9a0b-0d6a5f3e1c77/insights/users?role=Student";

const FETCHED: &str = r#"{"url":"https://example.edu/a.mp4","title":"Mitosis","collection_id":1,"is_external":false}"#;
const FETCHED_INTO: &str =
    "/collections/1/media?url=https://example.edu/a.mp4&title=Mitosis&user_id=7&is_external=false";
const COMPLETED: &str = r#"{"title":"Mitosis","description":"Of a cell","auto_caption":true}"#;

const SERVICE: &str = r#"{"label":"Fast","description":"By people","is_asr":false,"languages":["en"]}"#;

const FOUND: &str = "/users/search?role=Teacher&email=ada@example.edu&page=1&per_page=50";

const CUE: &str = "1\n00:00:00,000 --> 00:00:02,000\nBom dia.\n";

const SEARCH: &str = concat!(
    "/media/search?title=Intro&min_size=1&max_size=2&start_date=2026-01-01&end_date=2026-01-02",
    "&last_viewed_start_date=2026-01-03&last_viewed_end_date=2026-01-04",
    "&last_viewed_by_student_start_date=2026-01-05&last_viewed_by_student_end_date=2026-01-06",
    "&owner=ada@example.edu&tag=algebra&source=upload&page=1&per_page=50"
);

fn search() -> Search {
    let text = |text: &str| Some(text.to_owned());
    Search {
        title: text("Intro"),
        min_size: Some(1),
        max_size: Some(2),
        start_date: text("2026-01-01"),
        end_date: text("2026-01-02"),
        last_viewed_start_date: text("2026-01-03"),
        last_viewed_end_date: text("2026-01-04"),
        last_viewed_by_student_start_date: text("2026-01-05"),
        last_viewed_by_student_end_date: text("2026-01-06"),
        owner: text("ada@example.edu"),
        tag: text("algebra"),
        source: text("upload"),
    }
}

fn built() -> Result<Vec<(Call, String)>, InvalidArgument> {
    fn whole<T>(request: Request<T>) -> (Call, String) {
        let shape = format!("{:?}", request.locator);
        (request.call, shape)
    }
    let change = |action: &str, id, share_type: &str| PermissionChange {
        action: action.into(),
        id,
        share_type: share_type.into(),
        permission_type: "view".into(),
    };
    let changes = [change("create", 7, "user"), change("destroy", 8, "group")];
    let member = |action: &str, user_id, permission| GroupUserChange { action: action.into(), user_id, permission };
    let text = |text: &str| Some(text.to_owned());
    let members = vec![member("add", 7, text("member")), member("remove", 8, None)];
    let fetched = |user_id| FromUrl {
        url: "https://example.edu/a.mp4".into(),
        title: text("Mitosis"),
        description: None,
        user_id,
        auto_caption: None,
        is_external: Some(false),
    };
    let completion = Completion::new("Mitosis".into(), text("Of a cell"), Some(true))?;
    let languages = ["en".to_owned()];
    let sub_rip = ("a.srt".to_owned(), CUE.into());
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    Ok(vec![
        whole(collections::list(1, 50)?),
        whole(collections::create("Week 1", Some(7))?),
        whole(collections::get(1)?),
        whole(collections::delete(1)?),
        whole(collections::archive(1)?),
        whole(collections::unarchive(1)?),
        whole(collections::list_media(1, 2, 20)?),
        whole(collections::permissions(1)?),
        whole(collections::change_permissions(1, &changes)?),
        whole(media::search(&search(), 1, 50)?),
        whole(media::get(1)?),
        whole(media::delete(1)?),
        whole(media::archive(1)?),
        whole(media::unarchive(1, Some(3))?),
        whole(media::courses(1)?),
        whole(media::create_embed(1, 9, "bare_embed", Some(false))?),
        whole(media::download_url(1, Some("low"))?),
        whole(media::permissions(1)?),
        whole(media::change_permissions(1, &changes)?),
        whole(media::perspectives(1)?),
        whole(media::sources(1)?),
        whole(media::users(1, "view")?),
        whole(captions::list(1)?),
        whole(captions::add(1, ("a.srt".into(), CUE.into()), "pt-BR")?.request),
        whole(captions::download(4)?),
        whole(captions::text(4)?),
        whole(courses::get(1301)?),
        whole(courses::perspectives(1301)?),
        whole(groups::users(11)?),
        whole(groups::change_users(11, members)?.request),
        whole(insights::overview(UUID, None)?),
        whole(insights::users(UUID, Some("Student"))?),
        whole(media_upload::create_media(&fetched(None), Some(1))?),
        whole(media_upload::create_collection_media(1, &fetched(Some(7)))?),
        whole(media_upload::create(Destination { collection_id: Some(1), user_id: Some(7) })?),
        whole(media_upload::complete(1, &completion)?),
        whole(ping::ping()),
        whole(captioning::requests("professional", "requested")?),
        whole(captioning::update_request(71, "fulfilled", text("Here"), Some(sub_rip))?.request),
        whole(captioning::services()),
        whole(captioning::put_service("fast", "Fast", "By people", false, Some(&languages))?),
        whole(captioning::delete_service("fast")?),
        whole(tags::list(1)?),
        whole(tags::add(1, "exam prep")?),
        whole(tags::remove(1, 5)?),
        whole(transfer_media::transfer(3, 4, 12)?.transfer),
        whole(users::search(Some("ada@example.edu"), Some("Teacher"), 1, 50)?),
        whole(users::get(7)?),
        whole(users::media(7, 1, 50)?),
        whole(users::collections(7, 1, 50)?),
        whole(users::library(7)?),
        whole(users::find("ada@example.edu")?.search),
        whole(raw::request(
            "patch",
            "/caption_file_requests/4",
            pair("status", "failed"),
            raw::Given { json: Some(r#"{"a":1}"#.into()), ..raw::Given::default() },
            Vec::new(),
            false,
        )?),
        whole(raw::paginate("/users/7/media", "media".into(), pair("x", "1"), 1, 50)?),
    ])
}

#[test]
fn every_request_is_the_one_of_the_reference() {
    let built = built().unwrap();
    assert_eq!(built.len(), REFERENCE.len());
    for ((call, shape), (operation, method, place, body, expected_shape)) in built.iter().zip(REFERENCE) {
        let query: Vec<String> = call.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let sent_body = call.body.as_ref().map(ToString::to_string).unwrap_or_default();
        let sent = (
            call.operation.as_ref(),
            call.method.as_str(),
            format!("{}{mark}{}", call.display_path(), query.join("&")),
            sent_body,
        );
        assert_eq!(sent, (operation, method, place.to_owned(), body.to_owned()));
        assert_eq!(shape, expected_shape, "{operation}");
        // What is no JSON.
        let is_text = ["/caption_files/", "/perspectives/", "/ping"].iter().any(|start| place.starts_with(start));
        assert_eq!(!call.headers.is_empty(), is_text, "{operation}");
        assert_eq!(call.wants_redirect, operation == "get_download_url", "{operation}");
    }
}

#[test]
fn only_what_changes_nothing_is_repeated_blindly() {
    for (call, _) in built().unwrap() {
        let expected = if call.method == "GET" { RetrySafety::Always } else { RetrySafety::OnlyIfNotProcessed };
        assert_eq!(call.retry_safety, expected, "{}", call.operation);
    }
}

#[test]
fn what_is_not_given_is_not_sent() {
    let search = media::search(&Search::default(), 1, 50).unwrap();
    assert_eq!(format!("{:?}", search.call), "GET /media/search?page=1&per_page=50");
    assert_eq!(format!("{:?}", media::unarchive(1, None).unwrap().call), "POST /media/1/unarchive");
    assert_eq!(format!("{:?}", collections::create("x", None).unwrap().call), "POST /collections?name=x");
}

#[test]
fn a_path_that_leaves_the_api_is_no_request() {
    let refused = |path: &str| {
        raw::request("GET", path, Vec::new(), raw::Given::default(), Vec::new(), false).unwrap_err().argument
    };
    for path in [
        "",
        "media",
        "//other.example.com/x",
        "https://other.example.com/x",
        "/a/../b",
        "/a/./b",
        "/a\\b",
        "/a?b=1",
        "/a#b",
        "/%2e%2e/b",
        "/a b",
    ] {
        assert_eq!(refused(path), "path", "{path}");
    }
}
