//! `lifecycle docs`: the data dictionary of a small project.

use super::Folder;

fn project() -> Folder {
    let folder = Folder::with_project();
    std::fs::remove_file(folder.path().join("jobs/landing.yaml")).unwrap();
    let job = std::fs::read_to_string(folder.path().join("jobs/nightly.yaml")).unwrap();
    folder.write("jobs/nightly.yaml", &format!("{job}models: [marts]\n"));
    folder.write("sql/staging/orders.sql", "select order_no from landed.nightly_orders\n");
    folder.write(
        "sql/staging/orders.yaml",
        "description: One row per order.\nmaterialized: view\ngrain: [order_no]\ncolumns:\n  \
         - {name: order_no, type: string, description: The order.}\n",
    );
    folder.write("sql/seeds/letters.csv", "letter,word\na,<alpha> & omega\n");
    folder.write(
        "sql/seeds/letters.yaml",
        "description: Words of letters.\ncolumns:\n  - {name: letter, type: string, description: The letter.}\n  \
         - {name: word, type: string, description: The | word.}\n",
    );
    folder.write(
        "sql/marts/order_counts.sql",
        "with orders as (\n    select left(order_no, 1) as letter from staging.orders\n)\n\nselect\n    orders.letter,\n    \
         max(letters.word) as word,\n    count(orders.letter) as orders,\n    $churn_window_days as days\nfrom orders\n\
         left join seeds.letters on orders.letter = letters.letter\ngroup by orders.letter\n",
    );
    folder.write(
        "sql/marts/order_counts.yaml",
        "description: One row per first letter. <script>alert(1)</script>\nmaterialized: table\ngrain: [letter]\n\
         history: monthly\nowner: the shop\ntags: [daily]\ncolumns:\n  \
         - {name: letter, type: string, description: The letter., checks: [not_null]}\n  \
         - {name: word, type: string, description: Its word., checks: [{relationships: {to: seeds.letters, column: word}}]}\n  \
         - {name: orders, type: integer, description: How many.}\n  \
         - {name: days, type: integer, description: A parameter.}\nchecks:\n  \
         - name: some\n    severity: warn\n    description: There is an order.\n    \
         sql: select letter from marts.order_counts where orders < 1\n",
    );
    folder
}

fn page(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.path().join("docs").join(name)).unwrap()
}

#[test]
fn a_table_is_described_with_its_lineage_and_checks() {
    let folder = project();
    insta::assert_snapshot!(folder.run(&["docs"]), @r"
    exit code 0
    ----- stderr
    described 4 tables with 8 columns in docs/data-dictionary.md and docs/data-dictionary.html
    ");
    let page = page(&folder, "data-dictionary.md");
    let start = page.find("### marts.order_counts").unwrap();
    let end = page.find("## staging").unwrap();
    insta::assert_snapshot!(&page[start..end], @r"
    ### marts.order_counts

    One row per first letter. \<script\>alert(1)\</script\>

    - made as: table
    - grain: letter
    - history: month ends, and the newest, in `marts.order_counts_history`
    - owner: the shop
    - tags: daily
    - file: `sql/marts/order_counts.sql`
    - parameters: [$churn_window_days](#parameters)
    - reads: [seeds.letters](#seedsletters), [staging.orders](#stagingorders)

    | column | type | meaning | from |
    | --- | --- | --- | --- |
    | `letter` | string | The letter. | staging.orders.order\_no |
    | `word` | string | Its word. | seeds.letters.word |
    | `orders` | integer | How many. | staging.orders.order\_no |
    | `days` | integer | A parameter. |  |

    | check | demands | severity | last result |
    | --- | --- | --- | --- |
    | `order_counts.grain` | letter is unique | error | not run yet |
    | `order_counts.letter.not_null` | letter is never null | error | not run yet |
    | `order_counts.word.relationships` | every word is a word of seeds.letters | error | not run yet |
    | `order_counts.some` | There is an order. | warn | not run yet |
    ");
    let parameters = page.lines().find(|line| line.contains("| `churn_window_days`")).unwrap();
    assert_eq!(
        parameters,
        "| `churn_window_days` | 90 | 90 | Days of a churn window: buyers of the window before are compared with the last one. | [marts.order_counts](#martsorder_counts) |"
    );
}

#[test]
fn results_of_checks_and_rows_come_from_the_last_run() {
    let folder = project();
    folder.write("raw/a.csv", "order_no\na1\na2\nb1\n");
    let ran = folder.run(&["run", "nightly", "--as-of", "2026-01-31"]);
    assert!(ran.starts_with("exit code 0"), "{ran}");
    folder.run(&["docs", "--dir", "docs"]);
    let markdown = page(&folder, "data-dictionary.md");
    for line in [
        "Job `nightly` has published release 1 with the tables as of 2026-01-31.",
        "| [marts.order_counts](#martsorder_counts) | 2 | One row per first letter |",
        "| `order_counts.letter.not_null` | letter is never null | error | passed (as of 2026-01-31) |",
        "| `order_counts.some` | There is an order. | warn | passed (as of 2026-01-31) |",
    ] {
        assert!(markdown.lines().any(|other| other == line), "{line}\nis not in\n{markdown}");
    }
    // The same project in the same state makes the same files.
    let html = page(&folder, "data-dictionary.html");
    folder.run(&["docs"]);
    assert_eq!(page(&folder, "data-dictionary.md"), markdown);
    assert_eq!(page(&folder, "data-dictionary.html"), html);
}

#[test]
fn nothing_that_a_user_writes_is_markup() {
    let folder = project();
    folder.run(&["docs"]);
    let html = page(&folder, "data-dictionary.html");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
    assert_eq!(html.matches("<script>").count(), 1, "{html}");
    assert!(html.contains("id=\"marts.order_counts\"") && html.contains("href=\"#marts.order_counts\""), "{html}");
    assert!(page(&folder, "data-dictionary.md").contains("\\<script\\>"));
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let folder = project();
    folder.write("docs", "a file");
    let said = folder.run(&["docs"]);
    assert!(said.starts_with("exit code 2") && said.contains("cannot be written"), "{said}");
}
