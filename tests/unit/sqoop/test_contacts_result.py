"""What an import says of itself."""

from dataclasses import replace

from sqoop.importer import UNCHANGED, ImportResult

RESULT = ImportResult(
    "20260301T120000000Z",
    "delta",
    rows_read=1_200,
    rows=5_000,
    new=3,
    changed=2,
    deleted=1,
    written=True,
    seconds=14.25,
)


def test_the_result_is_a_sentence() -> None:
    assert RESULT.sentence() == (
        "1,200 rows read (delta): 3 new, 2 changed, 1 deleted; "
        "snapshot 20260301T120000000Z with 5,000 patients is in force; 14.2 s."
    )


def test_an_import_with_nothing_to_do_says_so() -> None:
    assert replace(RESULT, kind=UNCHANGED, written=False, seconds=0.2).sentence() == (
        "Nothing changed; snapshot 20260301T120000000Z with 5,000 patients is in force as before; 0.2 s."
    )


def test_the_work_of_another_import_is_named_as_such() -> None:
    assert replace(RESULT, by_another=True).sentence().endswith("is in force; done by another import meanwhile.")
