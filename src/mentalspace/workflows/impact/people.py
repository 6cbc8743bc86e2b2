"""Everybody an incident touches, each in exactly one part, so that the parts sum to the whole."""

from __future__ import annotations

# Parts of an SQL statement: they read `told`, one row a message with the key it counts under, its
# person, and whether it got `through`, is `moot` (nobody needs it any more), has `ended` without
# arriving, and of one that ended whether the same was told `otherwise` or is `coming` in another
# way.
#
# Whoever has several messages counts by the worst of them: one that is lost and that nothing
# replaces, then one that may still arrive, then one that another way told, then one that arrived.
_FATE = """
case when bool_or(ended and not otherwise and not coming) then 'lost'
     when bool_or(not through and not otherwise and not moot) then 'open'
     when bool_or(otherwise) then 'otherwise'
     when bool_or(through) then 'reached'
     else 'moot' end
"""
PEOPLE = f"""
, fates as (
  select key, {_FATE} as fate,
         bool_or(coming and not otherwise) as coming
    from told group by grouping sets ((person), (key, person))
), people as (
  select key, count(*) as people,
         count(*) filter (where fate in ('open', 'lost')) as people_left,
         count(*) filter (where fate = 'open') as people_open,
         count(*) filter (where fate = 'open' and coming) as people_coming,
         count(*) filter (where fate = 'lost') as people_lost,
         count(*) filter (where fate = 'otherwise') as people_otherwise,
         count(*) filter (where fate = 'reached') as people_reached,
         count(*) filter (where fate = 'moot') as people_moot
    from fates group by key
)
"""
NAMES = (
    "people", "people_left", "people_open", "people_coming", "people_lost", "people_otherwise",
    "people_reached", "people_moot",
)  # fmt: skip
NUMBERS = ", ".join(f"coalesce(people.{name}, 0) as {name}" for name in NAMES)
