"""Long lists, on a scripted server: every page is read that may matter, and no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import pytest

from pipeline.errors import PlatformError
from pipeline.platforms import Group
from pipeline.platforms.pages import pages as list_pages

from .conftest import Asked, Connect, Said, Scripted

PAGE = 10_000
Row = dict[str, object]


def left(number: int, **more: object) -> Row:
    day = f"{2026 - number // 5000:04d}-{12 - number % 5000 // 500:02d}-01 10:00:00.000"
    return {"email": f"client{number}@exemple.test", "unsubscribedOn": day, **more}


def listing(lists: dict[str, list[Row]], collection: str = "members") -> Callable[[Asked], Said]:
    """Answers with pages of these lists; other paths are 404."""

    def answer(asked: Asked) -> Said:
        if asked.path == "/customfields":
            return Said(200, {"customFields": []})
        rows = lists.get(asked.path)
        if rows is None:
            return Said(404, {"message": "Not found."})
        page, limit = int(asked.query["page"]), int(asked.query["limit"])
        body = {
            collection: rows[(page - 1) * limit : page * limit],
            "totalCount": len(rows),
            "page": page,
            "limit": limit,
        }
        return Said(200, {**body, "sort": asked.query.get("sort", "")})

    return answer


def pages(scripted: Scripted, path: str) -> list[str]:
    return [asked.query["page"] for asked in scripted.asked if asked.path == path]


def test_all_who_left_are_read_to_the_last_page(connect: Connect, scripted: Scripted) -> None:
    rows = [left(number) for number in range(2 * PAGE + 1)]
    scripted.answer = listing({"/members/unsubscribed": rows, "/members/bounced": []})
    assert len(connect(scripted.url).suppressed([])) == len(rows)
    assert pages(scripted, "/members/unsubscribed") == ["1", "2", "3"]
    asked = scripted.asked[-1].query
    assert (asked["limit"], asked["sort"]) == ("10000", "date_desc")


def test_pages_of_old_and_known_ones_are_not_read_again(connect: Connect, scripted: Scripted) -> None:
    rows = [left(number) for number in range(3 * PAGE)]
    known = [str(row["email"]) for row in rows]
    scripted.answer = listing({"/members/unsubscribed": rows, "/members/bounced": []})
    connect(scripted.url).suppressed(known)
    assert pages(scripted, "/members/unsubscribed") == ["1"]


def test_a_new_one_on_the_first_page_makes_the_second_be_read(connect: Connect, scripted: Scripted) -> None:
    rows = [left(number) for number in range(3 * PAGE)]
    known = [str(row["email"]) for row in rows[1:]]
    scripted.answer = listing({"/members/unsubscribed": rows, "/members/bounced": []})
    assert str(rows[0]["email"]) in connect(scripted.url).suppressed(known)
    assert pages(scripted, "/members/unsubscribed") == ["1", "2"]


@pytest.mark.parametrize("order", ["ignored", "without days"])
def test_a_list_in_no_order_is_read_to_its_end_however_much_is_known(
    connect: Connect, scripted: Scripted, order: str
) -> None:
    rows = [left(number) for number in range(2 * PAGE)]
    rows = rows[::-1] if order == "ignored" else [{**row, "unsubscribedOn": None} for row in rows]
    newest = str(rows[-1]["email"])
    scripted.answer = listing({"/members/unsubscribed": rows, "/members/bounced": []})
    known = [*(str(row["email"]) for row in rows[:-1]), "rebond@exemple.test"]
    assert newest in connect(scripted.url).suppressed(known)


def test_more_who_left_than_are_known_are_looked_for(connect: Connect, scripted: Scripted) -> None:
    rows = [left(number) for number in range(PAGE + 2)]
    scripted.answer = listing({"/members/unsubscribed": rows, "/members/bounced": []})
    known = [str(row["email"]) for row in rows[:PAGE]]
    assert len(connect(scripted.url).suppressed(known)) == PAGE + 2


def test_a_list_without_a_count_is_read_until_a_page_is_short(connect: Connect, scripted: Scripted) -> None:
    rows = [left(number) for number in range(PAGE + 5)]
    counted = listing({"/members/unsubscribed": rows, "/members/bounced": []})

    def answer(asked: Asked) -> Said:
        said = counted(asked)
        assert isinstance(said.body, dict)
        return Said(said.status, {key: value for key, value in said.body.items() if key != "totalCount"})

    scripted.answer = answer
    assert len(connect(scripted.url).suppressed([])) == PAGE + 5


@pytest.mark.parametrize("body", [{}, {"members": None}, {"totalCount": 0}, {"data": []}])
def test_an_odd_answer_is_never_taken_for_an_empty_list(connect: Connect, scripted: Scripted, body: object) -> None:
    scripted.answers = [Said(200, body)]
    with pytest.raises(PlatformError, match="no list of members"):
        connect(scripted.url).suppressed([])


def member(number: int) -> Row:
    return {"id": number + 1, "email": f"client{number}@exemple.test", "consentType": "implied"}


def test_a_long_list_is_left_when_single_look_ups_are_cheaper(connect: Connect, scripted: Scripted) -> None:
    rows = [member(number) for number in range(12 * PAGE)]
    lists = listing({"/members": rows})

    def answer(asked: Asked) -> Said:
        if asked.path.startswith("/members/client"):
            number = int(asked.path.removeprefix("/members/client").partition("%40")[0])
            return Said(200, rows[number])
        return lists(asked)

    scripted.answer = answer
    wanted = [5, 6, 119_998, 119_999]
    found = connect(scripted.url).read([f"client{number}@exemple.test" for number in wanted])
    assert sorted(there.id for there in found.values()) == [6, 7, 119_999, 120_000]
    assert pages(scripted, "/members") == ["1"]
    assert scripted.asked[-1].path.startswith("/members/client")


def test_a_list_that_is_cheaper_is_read_to_its_end_and_rows_that_shift_count_once(
    connect: Connect, scripted: Scripted
) -> None:
    rows = [member(number) for number in range(PAGE + 10)]
    rows[PAGE] = rows[PAGE - 1]
    scripted.answer = listing({"/members": rows})
    found = connect(scripted.url).read([f"client{number}@exemple.test" for number in range(PAGE - 5, PAGE + 10)])
    assert len(found) == 14
    assert pages(scripted, "/members") == ["1", "2"]
    assert {asked.query["status"] for asked in scripted.asked if asked.path == "/members"} == {"all"}


def test_an_account_of_one_page_is_never_asked_person_by_person(connect: Connect, scripted: Scripted) -> None:
    scripted.answer = listing({"/members": [member(number) for number in range(50)]})
    connect(scripted.url).read([f"inconnue{number}@exemple.test" for number in range(4)])
    assert pages(scripted, "/members") == ["1"]
    assert len(scripted.asked) == 1


def test_big_groups_are_asked_from_the_other_side(connect: Connect, scripted: Scripted) -> None:
    scripted.answer = listing({"/members/zoe%40exemple.test/groups": [{"id": 7}, {"id": 8}]}, "groups")
    groups = [Group(7, "Clients Tuxedo", False, 90_000), Group(9, "Cyrano", False, 10)]
    found = connect(scripted.url).memberships(["zoe@exemple.test", "abel@exemple.test"], groups)
    assert found == {("zoe@exemple.test", 7)}
    assert len(scripted.asked) == 2


@pytest.mark.parametrize("email", ["a+b/c%d'e@exemple.test", "é@exemple.test", "a?b#c&d=e@exemple.test"])
def test_an_address_is_one_segment_of_the_path(connect: Connect, scripted: Scripted, email: str) -> None:
    scripted.answers = [Said(404)]
    connect(scripted.url).consent(email)
    (asked,) = scripted.asked
    assert asked.path.count("/") == 3
    assert not asked.query


def test_a_single_look_up_that_finds_somebody_else_finds_nobody(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [Said(200, {"customFields": []}), Said(200, member(1))]
    scripted.answer = lambda asked: Said(200, {"customFields": []} if asked.path == "/customfields" else member(1))
    assert connect(scripted.url).read(["zoe@exemple.test"]) == {}
    assert set(connect(scripted.url).read(["client1@exemple.test"])) == {"client1@exemple.test"}


GROUP = {"id": 3, "title": "Cyrano", "isDynamic": False}


def test_a_group_that_appears_late_is_taken_when_a_second_one_is_refused(connect: Connect, scripted: Scripted) -> None:
    posts: list[Asked] = []

    def answer(asked: Asked) -> Said:
        if asked.method == "POST":
            posts.append(asked)
            return Said(drop=True) if len(posts) == 1 else Said(422, {"message": "A group with this title exists."})
        groups = [GROUP] if len(posts) == 2 else []
        return Said(200, {"groups": groups, "totalCount": len(groups)})

    scripted.answer = answer
    assert connect(scripted.url).create_group("Cyrano").id == 3
    assert len(posts) == 2


def test_a_dynamic_group_that_appears_is_not_taken_for_ours(connect: Connect, scripted: Scripted) -> None:
    posts: list[Asked] = []

    def answer(asked: Asked) -> Said:
        if asked.method == "POST":
            posts.append(asked)
            return Said(500) if len(posts) == 1 else Said(201, GROUP)
        groups = [{**GROUP, "id": 2, "isDynamic": True}] if posts else []
        return Said(200, {"groups": groups, "totalCount": len(groups)})

    scripted.answer = answer
    assert connect(scripted.url).create_group("Cyrano").id == 3


def test_two_that_appear_at_once_are_not_chosen_between(connect: Connect, scripted: Scripted) -> None:
    posts: list[Asked] = []

    def answer(asked: Asked) -> Said:
        if asked.method == "POST":
            posts.append(asked)
            return Said(500)
        groups = [GROUP, {**GROUP, "id": 4}] if posts else []
        return Said(200, {"groups": groups, "totalCount": len(groups)})

    scripted.answer = answer
    with pytest.raises(PlatformError, match="two new groups"):
        connect(scripted.url).create_group("Cyrano")


# Lists that are not whole


def left_row(number: int) -> Row:
    return {"email": f"client{number}@exemple.test", "unsubscribedOn": None}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (lambda page: {"members": [], "totalCount": 12}, "0 entries came of 12"),
        (lambda page: {"members": [left_row(1)] if page == 1 else [], "totalCount": 12}, "1 entries came of 12"),
        (lambda page: {"members": [left_row(1), left_row(2)], "totalCount": 12}, "page 2 came already"),
        (lambda page: {"members": [left_row(page % 2)], "totalCount": 12}, "page 3 came already"),
        (lambda page: {"members": [left_row(page)], "totalCount": 10**9}, "1000000000 entries, 1 a page"),
        (lambda page: {"members": ["client1@exemple.test"], "totalCount": 1}, "no objects"),
        (lambda page: {"members": [{"courriel": "client1@exemple.test"}], "totalCount": 1}, "cannot be told apart"),
        (lambda page: {"members": {"1": left_row(1)}, "totalCount": 1}, "no list of members"),
        (lambda page: {"data": [left_row(1)], "totalCount": 1}, "no list of members"),
    ],
    ids=["empty", "stops", "repeats", "goes round", "huge", "texts", "no address", "object", "other key"],
)
def test_who_left_is_never_half_a_list(
    connect: Connect, scripted: Scripted, body: Callable[[int], object], complaint: str
) -> None:
    scripted.answer = lambda asked: Said(200, body(int(asked.query["page"])))
    with pytest.raises(PlatformError, match=complaint) as caught:
        connect(scripted.url).suppressed([])
    assert "/members/bounced" in caught.value.message
    assert "client1" not in caught.value.message
    assert "placier" in caught.value.remedy


def test_a_list_that_grows_while_it_is_read_has_an_end() -> None:
    def ask(path: str, query: Mapping[str, str | int]) -> Row:
        page = int(query["page"])
        return {"members": [left_row(page)], "totalCount": page + 1}

    with pytest.raises(PlatformError, match="no end after 1000 pages"):
        deque(list_pages(ask, "/members/bounced", "members", {}), maxlen=0)


@pytest.mark.parametrize("path", ["/groups", "/customfields", "/members"])
def test_a_list_whose_rows_have_no_id_deletes_nothing(connect: Connect, scripted: Scripted, path: str) -> None:
    name = {"/customfields": "customFields"}.get(path, path.strip("/"))
    rows = [{"email": f"client{number}@exemple.test", "title": "Cyrano", "name": "Ville"} for number in range(4)]
    scripted.answer = lambda asked: Said(
        200, {name: rows, "totalCount": 4} if asked.path == path else {"customFields": []}
    )
    client = connect(scripted.url)
    look = {"/groups": client.groups, "/customfields": client.check_fields}
    with pytest.raises(PlatformError, match="cannot be told apart"):
        look.get(path, lambda: client.read([str(row["email"]) for row in rows]))()


@pytest.mark.parametrize("answer", [{}, {"message": "ok"}, {"email": None, "id": 7}])
def test_an_answer_without_a_member_is_not_taken_for_nobody(
    connect: Connect, scripted: Scripted, answer: object
) -> None:
    scripted.answer = lambda asked: Said(200, {"customFields": []} if asked.path == "/customfields" else answer)
    with pytest.raises(PlatformError, match=r"GET /members/\*\*\*: .*no member"):
        connect(scripted.url).read(["client1@exemple.test"])
