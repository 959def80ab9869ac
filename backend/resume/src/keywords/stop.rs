//! Stop words: function words, and words that occur in every job description.
//!
//! Called by [`super::words`]. All languages are checked at once, so a word is listed only if it is
//! not a term in another language. French "car" and Spanish "red" are not listed. Entries are in
//! the form of [`super::stem`]: lowercase, without accents and hyphens.

use std::collections::HashSet;
use std::sync::LazyLock;

/// The longest elided word before an apostrophe: "l'", "qu'".
pub(super) const MAX_ELISION_CHARS: usize = 2;

/// Returns true for a stop word. `word` must be folded and without hyphens.
pub(super) fn contains(word: &str) -> bool {
    WORDS.contains(word)
}

/// Returns true for an ending after an apostrophe: "team's", "we'll".
pub(super) fn is_ending(part: &str) -> bool {
    matches!(part, "s" | "S" | "t" | "re" | "ve" | "ll" | "d" | "m")
}

static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lists =
        [ENGLISH, GERMAN, FRENCH, SPANISH, ENGLISH_JOBS, GERMAN_JOBS, FRENCH_JOBS, SPANISH_JOBS];
    lists.into_iter().flat_map(str::split_whitespace).collect()
});

const ENGLISH: &str = "\
a about above across after again against all along also although always am among an and another
any anyone anything are aren around as at be became because become been before behind being below
beside besides between beyond both but by can cannot could couldn did didn do does doesn doing don
done down due during each either else enough etc even ever every everyone everything few for from
further get gets getting give given go goes going got had has hasn have haven having he her here
hers him himself his how however i ie e.g eg i.e if in into is isn it its itself just least less
let like many may me might mine more most much must my myself near need needs neither never next
no nor not nothing now of off often on once one only onto or other others otherwise our ours out
over own per perhaps please quite rather really same see shall she should shouldn since so some
someone something still such take than that the their theirs them themselves then there these they
thing things this those through throughout thus to together too toward towards under until up upon
us use used uses using usually various very via was wasn way ways we well were weren what whatever
when where whether which while who whole whom whose why will with within without won would wouldn
yes yet you your yours yourself two three four five six seven eight nine ten first second third
new n/a vs";

const GERMAN: &str = "\
aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bereits bis
bist da dabei dadurch dafur damit danach dann daran darauf darin daruber das dass davon dazu dein
deine deinem deinen deiner dem den denn der deren des deshalb dessen dich die dies diese diesem
diesen dieser dieses dir doch dort du durch eigene eigenen ein eine einem einen einer eines
einfach er erste ersten es etwa etwas euch euer eure eurem euren eurer fur gegen gern gerne habe
haben hast hat hatte ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im immer in innerhalb ins ist ja
jede jedem jeden jeder jedes jetzt kann kannst kein keine keinen konnen man mehr mein meine mit
mochte mochtest moglich moglichst muss musst mussen nach neben neu neue neuen nicht noch nun nur
ob oder ohne rund schon sehr sein seine seit sich sie sind so sollte sollten sollst solltest sowie
sowohl uber um und uns unser unsere unserem unseren unserer unter viel viele vielen vom von vor
wann was wenn wer werden wie wir wird wirst wo wollen z.b d.h u.a zu zum zur zwei zwischen bzw usw
ggf inkl u.v.m m/w/d w/m/d d/m/w";

const FRENCH: &str = "\
afin ainsi alors apres au aucun aussi autre autres aux avant avec avez avoir avons bien ce cela
celle celles celui ces cet cette ceux chaque chez comme comment dans de des deux donc dont du elle
elles en encore entre es est et etc ete etes etre eux faire fait fois hors il ils je jusque la
laquelle le les leur leurs lors lui ma mais me meme memes mes moi moins mon ne nos notre nous on
ont ou par parmi pas pendant peu peut plus plusieurs pour pouvoir pres puis quand que quel quelle
quelles quels qui quoi sa sans se selon sera serez ses si soit sommes son sont sous sur ta te tes
toi ton tous tout toute toutes tres trop tu un une vers vos votre vous y h/f f/h";

const SPANISH: &str = "\
al algo algun alguna algunas algunos ambos ante antes aquel asi aunque bajo bien cada como con
contra cual cuales cuando de del desde donde durante el ella ellas ellos en entre era eres es esa
esas ese eso esos esta estan estar estas este esto estos fue fueron ha han hacia hasta hay la las
le les lo los mas me mi mis mucho muy nada ni no nos nosotros nuestra nuestras nuestro nuestros o
os otra otras otro otros para pero poco por porque puede pueden pues que quien quienes se sea ser
seras si sido sin sobre somos son su sus tambien tan tanto te tener tiene tienen tienes todo toda
todas todos tu tus un una unas uno unos usted ustedes y ya yo";

const ENGLISH_JOBS: &str = "\
ability able applicant applicants apply bonus bring candidate candidates career careers client
clients colleague colleagues company companies competitive day days daytoday deep degree
demonstrated desirable desired employee employees employer employment ensure environment equal
equivalent essential excellent exciting expect expectations experience experienced familiar
familiarity field fulltime good great handson help hire hiring ideal ideally include includes
including industry interested interview job jobs join m/f/d build builds building care collaborate
contribute create creating deliver delivering develop developing drive driving improve improving
maintain maintaining manage managing mentor participate rely run running support supporting write
writing knowledge level looking love make month months nice offer offers office open opportunities
opportunity organization part parttime passion passionate people perks person place plus position
preferably preferred proficiency proficient proven provide qualification qualifications relevant
remote require required requirement requirements responsibilities responsibility responsible role
roles salary seeking selfstarter skill skills skilled solid someone strong successful tasks team
teams time today understanding want week weeks welcome work working workplace world year years
based related onsite benefits similar understand";

const GERMAN_JOBS: &str = "\
anforderungen arbeit arbeiten arbeitest arbeitsplatz aufgabe aufgaben ausbildung benefits bereich
bereichen bewerben bewerbung bieten bringst deinem erfahrung erfahrungen erforderlich fahigkeit
fahigkeiten firma freuen gehalt gute guten gutes gut idealerweise jahr jahre jahren jahrige
kenntnis kenntnisse kenntnissen kollege kollegen kolleginnen mindestens mitarbeit mitarbeiter
mitarbeiterin mitarbeiterinnen mehrjahrige profil sehr sicher sicherer standort stelle suchen
suche team teams tatigkeit umgang unternehmen verfugst verstandnis voraussetzung voraussetzungen
vorteil von wunschenswert weitere zusammenarbeit";

const FRENCH_JOBS: &str = "\
annee annees avantage avantages bon bonne bonnes capacite capacites competence competences
connaissance connaissances candidat candidate candidature cadre domaine emploi entreprise
environnement equipe equipes experience experiences formation maitrise mission missions minimum
niveau offre poste profil recherche recherchons rejoignez requis requise salaire savoir sein
souhaite souhaitee travail travailler";

const SPANISH_JOBS: &str = "\
ano anos beneficios buena buen buenas buscamos candidato candidata capacidad capacidades
conocimiento conocimientos dominio empleo empresa empresas equipo equipos experiencia formacion
habilidades nivel ofrecemos oferta persona personas perfil puesto requisitos salario trabajo
trabajar valorable";

#[cfg(test)]
mod tests {
    use super::super::stem;
    use super::*;

    #[test]
    fn entries_are_in_compact_form() {
        for word in WORDS.iter() {
            assert_eq!(&stem::compact(word), word);
        }
    }

    #[test]
    fn terms_are_not_stop_words() {
        for word in ["car", "red", "art", "data", "java", "rust", "sales", "security", "sap"] {
            assert!(!contains(word), "{word}");
        }
    }
}
