"""The people of a made-up practice: invented names, and addresses at a domain that nobody owns."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from uuid import UUID, uuid5

SPACE = UUID("6f2d1c1e-8f0b-4d6e-9a53-0c0de0de0001")
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
    """`timezone` is None where it is the practice's."""

    number: int
    id: UUID
    external_id: str
    name: str
    email: str | None
    phone: str
    timezone: str | None
    language: str


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
    return Client(
        number=number,
        id=made_id(slug, seed, "client", number),
        external_id=f"{marked(seed)}{number:05}",
        name=f"{first} {last}",
        email=None if random.randrange(100) < WITHOUT_ADDRESS else address,
        phone=f"+1 555 {random.randrange(1000):03} {random.randrange(10_000):04}",
        timezone=random.choice(ZONES) if random.randrange(100) < ELSEWHERE else None,
        language="es" if random.randrange(100) < IN_SPANISH else "en",
    )


def clinician_of(seed: int, number: int) -> str:
    random = Random(f"{seed}/clinician/{number}")
    return f"{random.choice(FIRST)}.{random.choice(LAST)}.{number}@demo.example".lower()
