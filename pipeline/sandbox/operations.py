"""What each operation of the platform's API does to the store.  Nothing here knows of HTTP but the status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import TypeVar, cast

from pipeline.sandbox import values
from pipeline.sandbox.batches import undated
from pipeline.sandbox.call import ApiError, Call
from pipeline.sandbox.consent import Consent, outranks
from pipeline.sandbox.contract import Json
from pipeline.sandbox.members import TEXTS, Batch, Group, Member, Selection, State, Value
from pipeline.sandbox.views import day_of, day_start, stamp

Answer = tuple[int, Json]
_ORDERS = {
    "email": "email_key",
    "language": "language",
    "fullname": "fullname",
    "date": "joined",
    "consent_type": "express",
    "consent_date": "consent_date",
    "updated": "updated",
}
_FILTERS = {"joinedOn": "joined", "updatedOn": "updated", "bouncedOn": "left", "unsubscribedOn": "left"}


def ping(call: Call) -> Answer:
    """Who the token belongs to."""
    return 200, {"ping": "success", "username": "placier", "email": "api@exemple.test", "account": "Bac à sable"}


def list_custom_fields(call: Call) -> Answer:
    """The account's custom fields, not paged."""
    return 200, {
        "customFields": [{"id": item.id, "name": item.name, "type": item.type} for item in call.store.custom_fields()]
    }


# members


def list_members(call: Call) -> Answer:
    """Subscribed members: in a group (`active`, the default), in none (`orphans`), or both (`all`)."""
    status = call.query.get("status", "active")
    members, total = call.store.select(
        _selection(call, call.listed, grouped={"active": True, "orphans": False}.get(str(status)))
    )
    page = call.page("members", [call.view.member(member) for member in members], total)
    return 200, {**page, "items_per_page": call.limit}


def list_bounced(call: Call) -> Answer:
    """Members whose last mailing hard-bounced."""
    members, total = call.store.select(_selection(call, ("bounced",)))
    return 200, call.page("members", [call.view.bounced(member) for member in members], total)


def list_unsubscribed(call: Call) -> Answer:
    """Members who unsubscribed."""
    members, total = call.store.select(_selection(call, ("unsubscribed",)))
    return 200, call.page("members", [call.view.unsubscribed(member) for member in members], total)


def get_unsubscribed(call: Call) -> Answer:
    """One unsubscribed member, by address only."""
    member = call.store.find(call.path["key"]) if "@" in call.path["key"] else None
    if member is None or member.state != "unsubscribed":
        raise ApiError(404, "The member was not found.")
    return 200, call.view.unsubscribed(member)


def unsubscribe_member(call: Call) -> Answer:
    """Unsubscribe a member; doing it again changes nothing and says so."""
    member = call.store.find(call.path["key"])
    if member is None:
        raise ApiError(404, "The member was not found.")
    new = member.state != "unsubscribed"
    if new:
        member = call.store.save(replace(member, state="unsubscribed", left=call.now, updated=call.now))
    return 200, {**call.view.unsubscribed(member), "isNewUnsubscription": new}


def get_member(call: Call) -> Answer:
    """One subscribed member."""
    return 200, call.view.member(call.member())


def create_member(call: Call) -> Answer:
    """A new member; 422 when the address is known, whatever its state."""
    email = _address(call)
    if call.store.find(email) is not None:
        raise ApiError(422, "A member with this email address already exists.")
    groups = _groups_of_body(call) if "groups" in call.body else []
    consent = Consent(None, day_of(call.now), "")
    member = call.store.save(_written(call, Member(0, email, call.now, consent=consent), merge=True))
    call.store.join(member.id, groups)
    return 201, call.view.member(member)


def replace_member(call: Call) -> Answer:
    """Set a member; attributes that are not given go back to empty."""
    member = call.member()
    return 200, call.view.member(_readdressed(call, _written(call, replace(member, texts={}, fields={}), merge=False)))


def update_member(call: Call) -> Answer:
    """Change a member; attributes that are not given stay (custom fields: by the switch)."""
    member = _written(call, call.member(), merge=call.switches.patch_fields == "merge")
    return 200, call.view.member(_readdressed(call, member))


def delete_member(call: Call) -> Answer:
    """Delete a member."""
    call.store.delete(call.member().id)
    return 200, {call.path["key"]: "deleted"}


# a member's groups and consent


def list_member_groups(call: Call) -> Answer:
    """A member's groups, without counts."""
    groups = _groups_of(call, call.member())
    name, descending = call.order()
    groups.sort(key=lambda group: group.title.casefold() if name == "title" else group.created, reverse=descending)
    page = groups[call.offset : call.offset + call.limit]
    return 200, call.page("groups", [call.view.member_group(group) for group in page], len(groups))


def add_member_to_groups(call: Call) -> Answer:
    """Join groups, keeping the others."""
    member = call.member()
    call.store.join(member.id, _groups_of_body(call))
    return 200, {"groups": [call.view.member_group(group) for group in _groups_of(call, member)]}


def replace_member_groups(call: Call) -> Answer:
    """Join exactly these groups; dynamic ones are not touched."""
    member, wanted = call.member(), _groups_of_body(call)
    for group in _groups_of(call, member):
        if group.id not in wanted and not group.dynamic:
            call.store.leave(member.id, group.id)
    call.store.join(member.id, wanted)
    return 200, {"groups": [call.view.member_group(group) for group in _groups_of(call, member)]}


def remove_member_from_group(call: Call) -> Answer:
    """Leave one group; 404 when the member is not in it."""
    member, group = call.member(), call.group(static=True)
    if not call.store.leave(member.id, group.id):
        raise ApiError(404, "The member is not in this group.")
    return 200, {call.path["groupId"]: "deleted"}


def get_consent(call: Call) -> Answer:
    """A member's consent."""
    return 200, call.view.consent(call.member())


def set_consent(call: Call) -> Answer:
    """State a consent; 422 when it may not override the stored one."""
    member = call.member()
    text = call.body.get("consentDate")
    day = date.fromisoformat(text) if isinstance(text, str) else _or_422(lambda: undated(call.switches, call.now))
    consent = Consent(cast(str, call.body["relationType"]), day, cast(str, call.body.get("consentProof", "")))
    if not outranks(consent, member.consent, older_applied=call.switches.older_date == "applied"):
        raise ApiError(422, "The current consent may not be overridden.")
    return 200, call.view.consent(call.store.save(replace(member, consent=consent, updated=call.now)))


# groups


def list_groups(call: Call) -> Answer:
    """All groups."""
    groups = call.store.groups(call.listed)
    name, descending = call.order()
    keys: dict[str, Callable[[Group], str | int]] = {
        "group": lambda group: group.title.casefold(),
        "nbmember": lambda group: group.members,
        "type": lambda group: group.dynamic,
        "date": lambda group: group.created,
    }
    groups.sort(key=keys.get(name, lambda group: group.id), reverse=descending)
    page = groups[call.offset : call.offset + call.limit]
    return 200, call.page("groups", [call.view.group(group) for group in page], len(groups))


def get_group(call: Call) -> Answer:
    """One group."""
    return 200, call.view.group(call.group())


def create_group(call: Call) -> Answer:
    """A new static group, public unless told otherwise."""
    group = _titled(call, Group(0, "", public=True, dynamic=False, created=call.now))
    return 201, call.view.group(call.store.save_group(group))


def replace_group(call: Call) -> Answer:
    """Set a group; 422 for a dynamic one."""
    return 200, call.view.group(call.store.save_group(_titled(call, replace(call.group(static=True), public=True))))


def update_group(call: Call) -> Answer:
    """Change a group; 422 for a dynamic one."""
    return 200, call.view.group(call.store.save_group(_titled(call, call.group(static=True))))


def delete_group(call: Call) -> Answer:
    """Delete a group; its members stay, maybe as orphans."""
    call.store.delete_group(call.group().id)
    return 200, {call.path["groupId"]: "deleted"}


def list_group_members(call: Call) -> Answer:
    """The subscribed members of a group."""
    members, total = call.store.select(_selection(call, call.listed, group=call.group().id))
    return 200, call.page("members", [call.view.member(member) for member in members], total)


def empty_group(call: Call) -> Answer:
    """Take everybody out of a group."""
    call.store.empty_group(call.group(static=True).id)
    return 200, {"members": []}


# batches


def create_batch(call: Call) -> Answer:
    """Queue a batch; it is applied later."""
    type = cast(str, call.body["batchType"])
    if type == "addMembers":
        _check_groups_of_batch(call, cast(list[int], call.body.get("groups", [])))
        if 0 < call.switches.max_batch < len(cast(list[Json], call.body["members"])):
            raise ApiError(422, f"A batch holds at most {call.switches.max_batch} members.")
    mishap, refused = ("", ()) if call.fault is None else (call.fault.kind, call.fault.emails)
    lowered = tuple(email.casefold() for email in refused)
    batch = Batch(0, type, call.body, call.now, call.switches.status_new, 0, None, mishap, lowered)
    return 201, _shown(call, replace(batch, id=call.batches.submit(batch)))


def get_batch(call: Call) -> Answer:
    """How far a batch is; 404 when it is unknown or was forgotten."""
    batch = call.batches.poll(call.number("batchId"), call.switches, call.now)
    if batch is None:
        raise ApiError(404, "The batch was not found.")
    return 200, _shown(call, batch)


OPERATIONS: dict[str, Callable[[Call], Answer]] = {
    "ping": ping,
    "listCustomFields": list_custom_fields,
    "listMembers": list_members,
    "createMember": create_member,
    "listBouncedMembers": list_bounced,
    "listUnsubscribedMembers": list_unsubscribed,
    "getUnsubscribedMember": get_unsubscribed,
    "unsubscribeMember": unsubscribe_member,
    "getMember": get_member,
    "replaceMember": replace_member,
    "updateMember": update_member,
    "deleteMember": delete_member,
    "listMemberGroups": list_member_groups,
    "addMemberToGroups": add_member_to_groups,
    "replaceMemberGroups": replace_member_groups,
    "removeMemberFromGroup": remove_member_from_group,
    "getConsent": get_consent,
    "setConsent": set_consent,
    "listGroups": list_groups,
    "createGroup": create_group,
    "getGroup": get_group,
    "replaceGroup": replace_group,
    "updateGroup": update_group,
    "deleteGroup": delete_group,
    "listGroupMembers": list_group_members,
    "emptyGroup": empty_group,
    "createBatch": create_batch,
    "getBatch": get_batch,
}
"""By the document's operationId.  What is not here (mailings, templates, tokens, opt-ins) is answered 501."""


def _shown(call: Call, batch: Batch) -> Json:
    result = batch.result
    if (
        batch.type == "addMembers"
        and isinstance(result, dict)
        and call.query.get("showErrorDetails") not in {"true", "1"}
    ):
        result = {name: [] if isinstance(value, list) else value for name, value in result.items()}
    return {
        "id": batch.id,
        "batchType": batch.type,
        "batchJson": batch.body,
        "createdOn": stamp(batch.created, call.view.style),
        "status": batch.status,
        "result": result,
    }


def _selection(
    call: Call, states: tuple[State, ...], group: int | None = None, grouped: bool | None = None
) -> Selection:
    since: dict[str, int] = {}
    until: dict[str, int] = {}
    for name, column in _FILTERS.items():
        if f"{name}From" in call.query:
            since[column] = day_start(date.fromisoformat(str(call.query[f"{name}From"])))
        if f"{name}To" in call.query:
            until[column] = day_start(date.fromisoformat(str(call.query[f"{name}To"])) + timedelta(days=1))
    name, descending = call.order()
    left = name == "date" and call.listed != states
    order = "left" if left else _ORDERS.get(name, "id")
    return Selection(states, group, grouped, since, until, order, descending, call.offset, call.limit)


def _written(call: Call, member: Member, *, merge: bool) -> Member:
    """The member with the body's attributes; `merge`: custom fields that are not named stay."""
    known = {str(item.id): item for item in call.store.custom_fields()}
    given = cast(dict[str, Value], call.body.get("customFields", {}))
    texts = dict(member.texts)
    fields = dict(member.fields) if merge or "customFields" not in call.body else {}
    given_texts = {name: cast(str, call.body[name]) for name in TEXTS if name in call.body}
    texts.update(_or_422(lambda: {name: values.text(name, value) for name, value in given_texts.items()}))
    fields.update(_or_422(lambda: values.custom(given, known, call.switches)))
    kept = {id: value for id, value in fields.items() if value != ""}
    return replace(member, texts=texts, fields=kept, updated=call.now if member.id else None)


def _readdressed(call: Call, member: Member) -> Member:
    """The member with the body's address, if it gives one that nobody else has; kept."""
    if "email" in call.body:
        email = _address(call)
        other = call.store.find(email)
        if other is not None and other.id != member.id:
            raise ApiError(422, "A member with this email address already exists.")
        member = replace(member, email=email)
    return call.store.save(member)


def _address(call: Call) -> str:
    return _or_422(lambda: values.address(cast(str, call.body["email"]), call.switches))


def _titled(call: Call, group: Group) -> Group:
    title = cast(str, call.body.get("title", group.title)).strip()
    if not title or len(title) > 255:
        raise ApiError(422, "The title must have 1 to 255 characters.")
    if call.switches.duplicate_titles == "refused":
        others = [other.title.casefold() for other in call.store.groups() if other.id != group.id]
        if title.casefold() in others:
            raise ApiError(422, "A group with this title already exists.")
    return replace(group, title=title, public=cast(bool, call.body.get("isPublic", group.public)))


def _groups_of(call: Call, member: Member) -> list[Group]:
    mine = set(call.store.groups_of(member.id))
    return [group for group in call.store.groups() if group.id in mine]


def _groups_of_body(call: Call) -> list[int]:
    wanted = [int(text) for text in cast(str, call.body["groups"]).split(",")]
    known = {group.id: group for group in call.store.groups()}
    for id in wanted:
        if id not in known:
            raise ApiError(422, f"The group {id} does not exist.")
        if known[id].dynamic:
            raise ApiError(422, f"The group {id} is dynamic.")
    return wanted


def _check_groups_of_batch(call: Call, wanted: list[int]) -> None:
    known = {group.id: group for group in call.store.groups()}
    for id in wanted:
        if id not in known and call.switches.unknown_group == "refused":
            raise ApiError(422, f"The group {id} does not exist.")
        if id in known and known[id].dynamic and call.switches.dynamic_group == "refused":
            raise ApiError(422, f"The group {id} is dynamic.")


Result = TypeVar("Result")


def _or_422(make: Callable[[], Result]) -> Result:
    """What `make` gives; a value that it refuses is a 422."""
    try:
        return make()
    except ValueError as error:
        raise ApiError(422, str(error)) from error
