"""Words that tell why somebody sees a practice, in English and Spanish; without accents.

A star ends a stem: `therap*` is therapy, therapies and therapist.
"""

from __future__ import annotations

from datetime import date

REVIEWED = date(2026, 11, 23)

# May stand nowhere in a mail but in the practice's own name.
CLINICAL = """
    therap* psychotherap* terap* psicoterap* counsel* consejeria consejero consejera
    psych* psiq* psico* diagnos* symptom* sintoma* treatment* tratamiento* clinical clinico
    disorder* trastorno* depress* depresi* deprimid* anxiet* anxious ansied* ansios* panic panico
    phobia* fobia* trauma* ptsd tept ocd adhd tdah autis* bipolar* schizo* esquizo* psicosis
    borderline anorexi* bulimi* insomni* suicid* autolesi* overdose* sobredosis relapse* recaida*
    addict* adict* adicci* alcohol* opioid* cocain* heroin* rehab* detox* desintoxic* sober*
    sobriedad abus* violencia grief bereave* duelo hiv vih pregnan* embaraz*
    medicat* medicac* medicament* prescri* dosage dosis refill* antidepress* antidepresiv*
    stimulant* sedative* sedante*
"""
CLINICAL_PHRASES = """
    mental health; salud mental; behavioral health; behavioural health; substance use;
    consumo de sustancias; self harm; eating disorder; lab result; lab results; test results;
    resultados de laboratorio; resultados de la prueba; date of birth; fecha de nacimiento;
    born on; member id; numero de miembro; numero de afiliado; group number; social security;
    seguro social; medical record
"""

# What kind of visit it is says as much.
KIND_OF_VISIT = """
    session* sesion* intake evaluation* evaluacion* assessment* screening* telehealth telesalud
    couples
"""

MEDICINES = """
    sertralin* zoloft fluoxetin* prozac escitalopram lexapro citalopram celexa paroxetin* paxil
    bupropion wellbutrin venlafaxin* effexor duloxetin* cymbalta mirtazapin* lithium litio
    lamotrigin* lamictal valpro* depakote quetiapin* seroquel aripiprazol* abilify risperidon*
    risperdal olanzapin* zyprexa clozapin* haloperidol haldol alprazolam xanax lorazepam ativan
    clonazepam klonopin diazepam valium buspiron* trazodon* zolpidem ambien methylphenidat*
    metilfenidat* ritalin concerta adderall amphetamin* anfetamin* lisdexamfetamin* vyvanse
    atomoxetin* strattera naltrexon* vivitrol buprenorphin* buprenorfin* suboxone methadon* metadon*
    disulfiram antabuse ketamin* esketamin* spravato
"""

# Too much for a lock screen, though a mail may say it inside.
LOCK_SCREEN = """
    patient* paciente* health* salud clinic* doctor* hospital* medical medico medica insurance
    copay* deductible* deducible* overdue
"""
