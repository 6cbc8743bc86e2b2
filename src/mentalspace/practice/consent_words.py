"""What somebody means who answers a text: no more of them, texts again, or who is writing.

A keyword is the whole of a message; carriers know the English ones. What says the same in a
sentence revokes as well: the law asks for any reasonable words, not for ours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

Surely = Literal["surely", "perhaps"]


class Keyword(StrEnum):
    STOP = "stop"
    START = "start"
    HELP = "help"


# source: https://help.twilio.com/articles/223134027, and https://www.twilio.com/docs/api/errors/21610
# CANCEL is no answer to an appointment, nor YES: carriers read them before we do.
_WORDS = {
    Keyword.STOP: "stop stopall unsubscribe cancel end quit revoke optout"
                  " alto parar pare detener cancelar baja basta",
    Keyword.START: "start unstop yes iniciar comenzar reanudar alta",
    Keyword.HELP: "help info ayuda",
}  # fmt: skip
_KEYWORDS = {word: keyword for keyword, words in _WORDS.items() for word in words.split()}
_IN_TWO = {"stop all": Keyword.STOP, "opt out": Keyword.STOP, "no mas": Keyword.STOP}


def read_keyword(body: str) -> Keyword | None:
    """The keyword that a message consists of; case, accents, marks and spaces do not count."""
    words = _plain(body)
    return _KEYWORDS.get(words) or _IN_TWO.get(words)


def revokes(body: str) -> Surely | None:
    """Whether a sentence asks for no more texts, in English or Spanish.

    "perhaps" is for a person to read: somebody else's number, a wish that is limited, a question.
    """
    words = _NOT_STOPPING.sub(" ", _plain(body))
    sentences = map(_plain, re.split(r"[.!?;\n]+", body))
    if (
        any(_NOTHING_ELSE.search(sentence) for sentence in sentences)
        or any(_asks_us(words, found) for found in _CEASE.finditer(words))
        or _any(_SURELY, words)
    ):
        return "perhaps" if _LIMITED.search(words) or _is_question(body, words) else "surely"
    return "perhaps" if _any(_PERHAPS, words) else None


def _plain(body: str) -> str:
    """Lower-case words without accents, and one space between them; `don't` is `dont`."""
    letters = unicodedata.normalize("NFKD", body.casefold()).replace("’", "").replace("'", "")
    bare = "".join(each for each in letters if not unicodedata.combining(each))
    return " ".join(re.findall(r"[a-z0-9]+", bare))


def _patterns(*lines: str) -> Sequence[re.Pattern[str]]:
    return tuple(re.compile(line.replace("TEXTS", _TEXTS)) for line in lines)


def _any(patterns: Sequence[re.Pattern[str]], words: str) -> bool:
    return any(pattern.search(words) for pattern in patterns)


def _asks_us(words: str, found: re.Match[str]) -> bool:
    """Not somebody else, and not of themselves: "I had to stop texting" asks nothing."""
    before = words[: found.start()].split()
    if before[-1:] == ["to"]:
        return len(before) > 1 and before[-2] in _TOLD
    return before[-1:] == [] or before[-1] not in _OF_OTHERS


def _is_question(body: str, words: str) -> bool:
    """A request in a question's dress is none."""
    return "?" in body and not _REQUEST.search(words)


_TEXTS = (
    r"(?:texts?|txts?|text messages?|messages?|msgs?|sms|reminders?|notifications?|alerts?|these|"
    r"this|anything|mensajes?|mensajitos?|textos?|recordatorios?|avisos?|nada)"
)
_OF_OTHERS = frozenset("i we he she they who did didnt does doesnt would will if wife mom".split())
_TOLD = frozenset("you u want like need request asking guys".split())
_REQUEST = re.compile(r"\b(?:can|could|would|will|please|pls|plz|puede[ns]?|podrian?|por favor)\b")
# "please don't stop", "can't stop thinking", "no dejen de avisarme"
_NOT_STOPPING = re.compile(
    r"\b(?:dont|do not|never|cannot|cant|can not|couldnt|could not|wont|will not|didnt|not) "
    r"(?:ever )?(?:stop|quit|unsubscribe|opt out|remove me|take me off)\b"
    r"|\bno (?:me )?(?:deje[ns]?|pare[ns]?|quite[ns]?)\b"
)
# A wish about some hour, place or occasion is not the end of all.
_LIMITED = re.compile(
    r"\b(?:before|after|until|during|while|tonight|today|tomorrow|this week|so early|so late|"
    r"at (?:night|work|\d)|between|in the (?:morning|evening)|twice|both|my (?:wife|husband|ex)|"
    r"hoy|manana|noche|antes|despues|hasta|trabajo|tan (?:temprano|tarde))\b"
)
_END = r"(?: (?:me|us|here|please|pls|plz|now|any ?more|ever|again|already|asap|ok|thanks?|thx))*$"
_CEASE = re.compile(
    r"\b(?:stop|quit|cease|discontinue) (?:with )?(?:"
    r"(?:text|messag|contact|txt|msg|spamm|bother|harass|remind|writ)ing(?: to)?"
    r"(?: (?:me|us|this (?:number|phone)|my (?:phone|cell|number))\b|" + _END + r")|"
    r"sending (?:me |us |out )?(?:all |any |more |so many |the |your |those )*" + _TEXTS + r"\b|"
    r"(?:all |the |your |my |those |these |any )*(?:texts?|txts?|text messages?|messages|msgs|sms|"
    r"reminders|notifications)\b)"
    r"|\b(?:end|cancel) (?:all |the |your |my |those |these )*(?:texts|text messages|messages|sms|"
    r"reminders)\b"
)
# A sentence of nothing but that, with a slip of the finger or a courtesy.
_NOTHING_ELSE = re.compile(
    r"^(?:please |pls |plz |just |ok |okay |no |hey |i said |por favor |ya )*"
    r"(?:st+o+p+|sotp|stpo|tsop|stp|stpp|dtop|unsubs?c?ri?be[dr]?|unsuscribe|pare[ns]?|alto)"
    r"(?: (?:st+o+p+|please|pls|plz|it|now|this|thanks?|thx|thank you|por favor|ya|gracias|all))*$"
)
_SURELY = _patterns(
    r"\bstop (?:getting|receiving) (?:(?:any|these|your|the|all|more|such) )*TEXTS\b",
    r"\b(?:dont|do not|never|no longer|stop)(?: ever)? (?:text|txt|message|msg|sms|contact) "
    r"(?:me|us|this number|my phone)\b",
    r"\b(?:dont|do not|never) (?:text|txt)\b(?! (?:my|him|her|them|you)\b)",
    r"\b(?:dont|do not|never)(?: ever)? send (?:me |us )?"
    r"(?:(?:any|more|any more|your|the) )*TEXTS\b",
    r"^(?:please |pls |ok )*no (?:more )?TEXTS\b|\bwant no more TEXTS\b",
    r"\b(?:dont|do not|no longer|never) (?:want|wish|need|care)(?: to)?(?: get| receive| be sent)?"
    r"(?: (?:any|more|your|the|these|getting|receiving))* "
    r"(?:texts?|txts?|text messages?|messages|sms|reminders)\b",
    r"\b(?:dont|do not|no longer) (?:want|wish) to be (?:texted|contacted|messaged)\b",
    r"\b(?:take|remove|delete|drop|get) (?:me|us|my (?:number|phone|name)|this number) "
    r"(?:off|from) (?:of )?(?:(?:your|the|this|all|any) )*"
    r"(?:lists?|texts?|text list|texting|messages|system|mailing list|distribution|database)\b",
    r"\b(?:remove|delete|lose) my (?:cell |phone )?number\b(?! and| is)",
    r"\b(?:opt|opting) (?:me |us )?out (?:of|from) (?:(?:the|your|these|all|any|getting) )*TEXTS\b",
    r"^(?:please |i |id |want to |would like to |wish to |am )*(?:opt|opting) (?:me )?out\b" + _END,
    r"\bunsubscribe (?:me|us|this number|my number|from)\b",
    r"\b(?:revoke|withdraw|rescind)\b.*\b(?:texts?|texting|sms|messages)\b",
    # No me manden (más) mensajes; ya no me escriban; dejen de escribirme; denme de baja.
    r"\bno (?:me )?(?:mand|envi|escrib|text|contact|molest)(?:e|en|es|a|an|as|ee|een)"
    r"(?:me)?(?: mas)?(?: TEXTS| por favor| gracias)*$",
    r"\bno (?:me )?(?:mand|envi)(?:e|en|es|ar)(?: mas| estos| los| sus| tantos| ningun)* TEXTS\b",
    r"\b(?:deje[ns]?|deja|paren?) (?:ya )?de (?:mandar|enviar|escribir|textear|contactar|molestar)"
    r"(?:me|nos)?(?: (?:mas|estos|los|sus|tantos|TEXTS|por favor|ya))*$",
    r"\b(?:ya )?no (?:quiero|deseo|queremos)(?: recibir)?(?: mas| estos| los| sus)* "
    r"(?:mensajes?|mensajitos?|textos?|sms)\b",
    r"\b(?:no mas|basta de|cancel(?:ar|en?)|par(?:ar|en)) "
    r"(?:(?:los|estos|sus) )?(?:mensajes?|textos?|sms)\b",
    r"\b(?:quite|quiten|saque|saquen|borre|borren|elimine|eliminen)(?:me|nos)? "
    r"(?:mi numero )?(?:de (?:la|su|esta) lista)\b",
    r"\b(?:borre|borren|elimine|eliminen|quiten?) mi numero\b",
    r"\b(?:denme|deme|darme|dame|dar|den|me den) de baja\b",
)  # fmt: skip
_PERHAPS = _patterns(
    r"\b(?:wrong|incorrect) (?:number|person)\b|\bnot (?:this|his|her|their) number\b",
    r"\b(?:numero|persona) (?:equivocad[oa]|incorrect[oa])\b|\bse equivoco de numero\b",
    r"^stop\b(?! by| in\b| at\b| over\b)|\bleave (?:me|us) alone\b|\bdejen?me en paz\b",
    r"\b(?:dont|do not|stop|quit) (?:send|sending) (?:me|us)\b",
    r"^(?:please )?(?:remove|delete) (?:me|us)$",
    r"\b(?:revoke|withdraw) my (?:consent|permission)\b|\b(?:revoco|retiro) mi consentimiento\b",
    r"\bhow (?:do|can) (?:i|we) (?:stop|opt out|unsubscribe|get off|end)\b|\bopt(?:ing)? out\b",
    r"\btoo many TEXTS\b|\bdemasiados (?:mensajes|textos)\b|\bunsubscribe\b",
    r"\bno (?:me )?(?:mande[ns]?|envie[ns]?|escriban?|contacten?)\b(?! la| el| mi)",
    r"\bcomo (?:paro|cancelo|detengo) (?:estos|los) (?:mensajes|textos)\b",
    r"\b(?:never|didnt|did not|dont) (?:signed|sign|agreed?|gave|consent)\b.*"
    r"\b(?:texts?|messages|sms)\b",
)  # fmt: skip
