"""The people of a made-up practice: invented names, and addresses at a domain that nobody owns."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from uuid import UUID, uuid5

SPACE = UUID("6f2d1c1e-8f0b-4d6e-9a53-0c0de0de0001")
# One of so many agreed to texts: each has one of the numbers kept for fiction, 555-0100 to
# 555-0199, until those of all these areas are given away.
SHARE_A_NUMBER = 3
AREAS = """201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 224 225 228 231 234
239 240 248 251 252 253 254 256 260 267 270 276 281 301 302 303 304 305 307 308 309 310 312 313 314
315 316 317 318 319 320 321 323 325 330 334 336 337 347 352 360 361 386 401 402 404 405 406 407 408
409 410 412 413 414 415 417 419 423 424 425 432 434 435 440 443 469 478 479 480 484 501 502 503 504
505 507 508 509 510 512 513 515 516 517 518 520 530 540""".split()
FICTIONAL = 100
# How many in a hundred.
WITHOUT_ADDRESS, IN_SPANISH, ELSEWHERE = 3, 18, 12
ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
)
FIRST = """Ada Alma Amir Ana Ansel Anton Aria Asa Bao Bea Ben Berta Blake Cato Celia Chen Cleo Cora
Dana Dario Dela Diego Dina Edie Eero Elia Elsa Emil Enzo Esme Ezra Fay Femi Finn Flora Gael Gia
Greta Hana Hugo Ida Ilan Ines Iris Ivo Jada Jonah Juno Kai Kaia Lena Leo Lila Luis Luz Mae Malik
Mara Milo Mina Nadia Nico Nils Noa Nora Odin Olga Omar Opal Otis Paz Petra Quinn Rafa Remy Rita
Rosa Sami Sena Silas Sol Suri Tala Teo Tilda Uma Vera Vito Wes Wren Yara Yuri Zane Zoe""".split()
LAST = """Abara Acosta Adler Amin Arce Bakshi Banda Bauer Beck Blum Brandt Cho Cruz Dahl Dias
Duarte Dunn Eder Egan Ellis Ergen Falk Farrow Fiore Frost Garza Gupta Haas Hale Holm Huang Ibarra
Iyer Jain Jensen Joshi Kahn Keane Klein Kovac Lang Leal Lund Mbeki Meyer Mora Munoz Nagy Ndiaye
Novak Okafor Olsen Ortega Park Patel Pereira Quist Rana Reyes Rossi Ruiz Saito Salas Sharma Silva
Sosa Strand Tanaka Torres Uddin Vega Vidal Voss Walsh Weber Xu Yilmaz York Zamora Zeller""".split()


@dataclass(frozen=True, slots=True)
class Client:
    """`timezone` is None where it is the practice's, `number` (E.164) where no texts are wanted."""

    place: int
    id: UUID
    external_id: str
    name: str
    email: str | None
    phone: str
    timezone: str | None
    language: str
    number: str | None


def marked(seed: int) -> str:
    """What the external ids of everything made from a seed begin with."""
    return f"demo-{seed}-"


def made_id(*words: object) -> UUID:
    """The same words give the same id."""
    return uuid5(SPACE, "/".join(map(str, words)))


def client_of(slug: str, seed: int, number: int) -> Client:
    random = Random(f"{seed}/client/{number}")
    first, last = random.choice(FIRST), random.choice(LAST)
    address = f"{first}.{last}.{seed}.{number}@demo.example".lower()
    email = None if random.randrange(100) < WITHOUT_ADDRESS else address
    phone = f"+1 555 {random.randrange(1000):03} {random.randrange(10_000):04}"
    texted = _texted(seed, number) if email else None
    return Client(
        place=number,
        id=made_id(slug, seed, "client", number),
        external_id=f"{marked(seed)}{number:05}",
        name=f"{first} {last}",
        email=email,
        phone=f"+1 {texted[2:5]} {texted[5:8]} {texted[8:]}" if texted else phone,
        timezone=random.choice(ZONES) if random.randrange(100) < ELSEWHERE else None,
        language="es" if random.randrange(100) < IN_SPANISH else "en",
        number=texted,
    )


def clinician_of(seed: int, number: int) -> str:
    random = Random(f"{seed}/clinician/{number}")
    return f"{random.choice(FIRST)}.{random.choice(LAST)}.{number}@demo.example".lower()


def _texted(seed: int, place: int) -> str | None:
    group, own = divmod(place, SHARE_A_NUMBER)
    last, area = divmod(group, len(AREAS))
    if last >= FICTIONAL or Random(f"{seed}/texted/{group}").randrange(SHARE_A_NUMBER) != own:
        return None
    return f"+1{AREAS[area]}55501{last:02}"
