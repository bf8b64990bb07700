"""What the console says, in French (Quebec) and in English."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.report.words import Pair

TEXTS: Mapping[str, Pair] = {
    # Around every page
    "console.title": ("Console de soutien", "Support console"),
    "console.menu": ("Pages du compte", "Pages of the account"),
    "console.accounts": ("Comptes", "Accounts"),
    "console.nights": ("Nuits", "Nights"),
    "console.contact": ("Un contact", "A contact"),
    "console.expiring": ("Consentements", "Consents"),
    "console.replay": ("Refaire une journée", "Replay a day"),
    "console.language": ("English", "Français"),
    "console.leave": ("Fermer la session", "Sign out"),
    "console.read_only": (
        "Cette console est en lecture seule : rien ne peut y être envoyé.",
        "This console is read-only: nothing can be sent from it.",
    ),
    "console.may_replay": (
        "D’ici, on peut refaire une journée et approuver ce qui est retenu.",
        "From here, a day can be replayed and what is held approved.",
    ),
    "console.never": ("jamais", "never"),
    "console.none": ("aucun", "none"),
    "console.back": ("Retour aux nuits", "Back to the nights"),
    "console.back_first": ("Retour à l’accueil", "Back to the first page"),
    "console.yes": ("Oui", "Yes"),
    "console.no": ("Non", "No"),
    # Logging in
    "login.title": ("Ouvrir une session", "Sign in"),
    "login.hello": (
        "La console de soutien de Placier. Le mot de passe est celui que la personne qui administre le serveur vous a donné.",
        "Placier’s support console. The password is the one that whoever runs the server gave you.",
    ),
    "login.password": ("Mot de passe", "Password"),
    "login.go": ("Entrer", "Sign in"),
    "login.wrong": ("Ce n’est pas le bon mot de passe.", "That is not the password."),
    # What cannot be
    "refused.title": ("C’est impossible", "That cannot be done"),
    "refused.title_no_page": ("Page introuvable", "Page not found"),
    "refused.title_too_often": ("Trop d’essais", "Too many tries"),
    "refused.sign_in": ("Retour à l’ouverture de session", "Back to signing in"),
    "refused.no_page": ("Cette page n’existe pas.", "There is no such page."),
    "refused.no_report": (
        "Aucun traitement ne concerne cette journée : elle n’a pas de page.",
        "No run concerns that day: it has no page.",
    ),
    "refused.read_only": (
        "Cette console est en lecture seule. Pour refaire une journée ou approuver, elle doit être démarrée avec --allow-replay.",
        "This console is read-only. To replay a day or to approve, it must be started with --allow-replay.",
    ),
    "refused.no_mark": (
        "Ce formulaire a été rempli dans une session qui n’est plus ouverte. Revenez à la page et recommencez; rien n’a été fait.",
        "This form was filled in during a session that is over. Go back to the page and start again; nothing was done.",
    ),
    "refused.too_often": (
        "Trop de mots de passe erronés. Attendez une minute, puis essayez de nouveau.",
        "Too many wrong passwords. Wait a minute, then try again.",
    ),
    "refused.stale": (
        "Cet aperçu a trop vieilli, ou il a déjà servi. Demandez-en un nouveau; rien n’a été envoyé.",
        "This preview is too old, or was used already. Ask for a new one; nothing was sent.",
    ),
    "refused.nothing_held": ("Cette exécution ne retient plus rien.", "That run does not hold anything any more."),
    "failed.title": ("Une erreur est survenue", "Something went wrong"),
    "failed.told": (
        "Ce que dit le programme, à transmettre tel quel à l’équipe technique :",
        "What the program says, to pass on as it is to whoever runs the server:",
    ),
    "busy.title": ("Un traitement est en cours", "A run is under way"),
    "busy.what": (
        "Un autre traitement de ce compte est en cours, peut-être celui de la nuit. Rien n’a été fait. Réessayez dans quelques minutes.",
        "Another run of this account is under way, perhaps the nightly one. Nothing was done. Try again in a few minutes.",
    ),
    "busy.look": ("Voir ce qui est en cours", "See what is under way"),
    # How accounts stand
    "accounts.title": ("Comptes", "Accounts"),
    "accounts.account": ("Compte", "Account"),
    "accounts.state": ("Dernier traitement", "Last run"),
    "accounts.success": ("Dernière réussite", "Last success"),
    "accounts.missing": ("Jours manquants", "Missing days"),
    "accounts.held": ("Retenu", "Held"),
    "accounts.pending": ("En attente", "Waiting"),
    "nights.title": ("Les nuits", "The nights"),
    "nights.good": ("Tout va bien.", "All is well."),
    "nights.success": ("dernière journée réussie", "last day that worked"),
    "nights.missing": ("jour manquant|jours manquants", "missing day|missing days"),
    "nights.held": ("retenue à approuver|retenues à approuver", "thing held|things held"),
    "nights.pending": ("contact en attente d’envoi|contacts en attente d’envoi", "contact waiting|contacts waiting"),
    "nights.held_title": ("Quelque chose est retenu", "Something is held"),
    "nights.held_what": (
        "{reason} ({n} élément), journée du {day}.|{reason} ({n} éléments), journée du {day}.",
        "{reason} ({n} item), day of {day}.|{reason} ({n} items), day of {day}.",
    ),
    "nights.held_see": ("Voir et décider", "Look and decide"),
    "nights.missing_title": ("Il manque des fichiers", "Files are missing"),
    "nights.missing_what": (
        "La billetterie n’a pas encore déposé ces journées : {days}. Les prochaines nuits les chercheront d’elles-mêmes.",
        "The box office has not dropped these days yet: {days}. The next nights look for them by themselves.",
    ),
    "nights.back": (
        "{n} personne désabonnée est de nouveau membre de la plateforme. Placier continue de la laisser tranquille; « placier status » la nomme.|"
        "{n} personnes désabonnées sont de nouveau membres de la plateforme. Placier continue de les laisser tranquilles; « placier status » les nomme.",
        "{n} person who had unsubscribed is a member of the platform again. Placier still leaves them alone; “placier status” names them.|"
        "{n} people who had unsubscribed are members of the platform again. Placier still leaves them alone; “placier status” names them.",
    ),
    "nights.list": ("Les dernières nuits, la plus récente d’abord", "The last nights, the latest first"),
    "nights.day": ("Journée", "Day"),
    "nights.state": ("État", "State"),
    "nights.run": ("Traitement", "Run"),
    "nights.ended": ("Terminé", "Ended"),
    "nights.created": ("Nouveaux contacts", "New contacts"),
    "nights.updated": ("Mis à jour", "Updated"),
    "nights.refused": ("Refusés", "Refused"),
    "nights.nothing": ("Aucun traitement n’a encore eu lieu.", "No run has taken place yet."),
    # A night
    "night.title": ("Journée du {day}", "{day}"),
    "night.report": ("Ouvrir la page complète de la nuit", "Open the night’s full page"),
    "night.again": ("Refaire cette journée", "Replay this day"),
    "night.runs": ("Ce qui s’est passé", "What happened"),
    "night.no_runs": ("Aucun traitement ne concerne cette journée.", "No run concerns this day."),
    "night.run_line": ("Exécution {id}, commencée le {start}, {seconds}", "Run {id}, started {start}, {seconds}"),
    "night.asof": ("comme au {day}", "as of {day}"),
    "night.counts": ("Ce qui a été envoyé à la plateforme", "What was sent to the platform"),
    "night.planned": ("Prévu", "Planned"),
    "night.pushed": ("Fait", "Done"),
    "night.left_alone": ("Laissés tranquilles", "Left alone"),
    "night.files": ("Les fichiers de la journée", "The day’s files"),
    "night.files_caption": ("Ce qui compte maintenant dans le registre", "What counts in the ledger now"),
    "night.files_read": ("Lus, mais pas enregistrés", "Read, but not recorded"),
    "night.message": ("Ce que dit le programme", "What the program says"),
    "night.no_files": (
        "Aucun fichier n’est enregistré pour cette journée.",
        "No file is recorded for this day.",
    ),
    "night.file": ("Fichier", "File"),
    "night.version": ("Version", "Version"),
    "night.lines": ("Lignes", "Lines"),
    "night.accepted": ("Acceptées", "Accepted"),
    "night.rejected": ("Mises de côté", "Set aside"),
    "night.aside": ("Les lignes mises de côté", "Lines set aside"),
    "night.aside_what": (
        "Ces lignes n’ont pas été lues; les autres, oui. La billetterie peut les corriger et redéposer le fichier. La ligne 1 est l’en-tête.",
        "These lines were not read; the others were. The box office can mend them and drop the file again. Line 1 is the header.",
    ),
    "night.aside_most": ("Seules les {n} premières sont montrées.", "Only the first {n} are shown."),
    "night.line": ("Ligne", "Line"),
    "night.reason": ("Raison", "Reason"),
    "night.text": ("Texte", "Text"),
    "night.no_aside": ("Aucune ligne n’a été mise de côté.", "No line was set aside."),
    "count.groups_created": ("Groupes créés", "Groups created"),
    "count.contacts_created": ("Nouveaux contacts", "New contacts"),
    "count.contacts_updated": ("Contacts mis à jour", "Contacts updated"),
    "count.joins": ("Ajouts à un groupe", "Joined a group"),
    "count.leaves": ("Retraits d’un groupe", "Left a group"),
    # A contact
    "contact.title": ("Un contact", "A contact"),
    "contact.what": (
        "« Pourquoi est-ce que je reçois vos courriels? » « Pourquoi est-ce que je n’en reçois pas? » Inscrivez l’adresse : la réponse est ici.",
        "“Why do I get your e-mails?” “Why don’t I?” Type the address: the answer is here.",
    ),
    "contact.email": ("Adresse courriel", "E-mail address"),
    "contact.on": ("À quelle date (facultatif)", "On which day (optional)"),
    "contact.on_hint": (
        "Vide : aujourd’hui. Une date passée donne la réponse d’alors.",
        "Empty: today. A past day gives the answer as it stood then.",
    ),
    "contact.go": ("Chercher", "Look up"),
    "contact.bad_email": (
        "Cela ne ressemble pas à une adresse courriel.",
        "That does not look like an e-mail address.",
    ),
    "contact.bad_day": (
        "Cette date est illisible. Exemple : 2026-11-13.",
        "That day cannot be read. Example: 2026-11-13.",
    ),
    "contact.yes": ("Oui, on peut lui écrire.", "Yes, we may write to this person."),
    "contact.no": ("Non, on ne peut pas lui écrire.", "No, we may not write to this person."),
    "contact.as_of": ("Réponse au {day}.", "As of {day}."),
    "contact.stranger": (
        "Aucun fichier de la billetterie n’a jamais parlé de cette adresse. La personne a peut-être acheté avec une autre adresse.",
        "No file of the box office ever told of this address. The person may have bought with another one.",
    ),
    "contact.suppressed": ("Raison : {reason}.", "Reason: {reason}."),
    "contact.why_not_ended": (
        "Le consentement s’est terminé le {day}.",
        "The consent ended on {day}.",
    ),
    "contact.no_consent": ("Aucun consentement n’est connu.", "No consent is known."),
    "contact.basis": ("Sur quelle base", "On what basis"),
    "contact.from": ("Depuis le", "From"),
    "contact.until": ("Jusqu’au", "Through"),
    "contact.no_end": ("sans fin", "no end"),
    "contact.proof": ("Preuve", "Proof"),
    "contact.proof_is": ("Preuve : {proof}", "Proof: {proof}"),
    "contact.said_by": ("Qui le dit", "Who said so"),
    "contact.source": ("{file}, ligne {line}", "{file}, line {line}"),
    "contact.more_sources": ("… et {n} autre ligne|… et {n} autres lignes", "… and {n} more line|… and {n} more lines"),
    "contact.groups": ("Ses groupes", "Groups"),
    "contact.groups_caption": ("Dans quels groupes, et pourquoi", "In which groups, and why"),
    "contact.group": ("Groupe", "Group"),
    "contact.member": ("Membre", "Member"),
    "contact.reason": ("Pourquoi", "Why"),
    "contact.timeline": ("Ce qui s’est passé, du plus récent au plus ancien", "What happened, the latest first"),
    "contact.fields": ("Ses champs sur la plateforme", "Fields on the platform"),
    "contact.field": ("Champ", "Field"),
    "contact.value": ("Valeur", "Value"),
    # What happened to a person
    "moment.bought": (
        "Achat de {n} billet pour « {title} »|Achat de {n} billets pour « {title} »",
        "Bought {n} ticket for “{title}”|Bought {n} tickets for “{title}”",
    ),
    "moment.cancelled": (
        "Annulation de {n} billet pour « {title} »|Annulation de {n} billets pour « {title} »",
        "Cancelled {n} ticket for “{title}”|Cancelled {n} tickets for “{title}”",
    ),
    "moment.given": ("Consentement donné par l’achat du {start}", "Consent given by the purchase of {start}"),
    "moment.renewed": ("Consentement renouvelé par l’achat du {start}", "Consent renewed by the purchase of {start}"),
    "moment.kept": (
        "La plateforme a déjà un meilleur consentement : il est conservé",
        "The platform has a better consent already: it is kept",
    ),
    "moment.unsubscribed": ("S’est désabonné : Placier ne lui écrit plus", "Unsubscribed: Placier leaves them alone"),
    "moment.bounced": (
        "L’adresse rejette les courriels : Placier ne lui écrit plus",
        "The address bounces: Placier leaves it alone",
    ),
    "moment.came_back": (
        "De nouveau membre sur la plateforme; Placier laisse la personne tranquille",
        "A member of the platform again; Placier leaves the person alone",
    ),
    "moment.forgotten": ("Oublié à sa demande (Loi 25)", "Forgotten on request (Law 25)"),
    "moment.joined": ("Dans le groupe « {title} »", "In the group “{title}”"),
    "moment.left": ("Retiré du groupe « {title} »", "Out of the group “{title}”"),
    "moment.gone": (
        "Le groupe « {title} » a été supprimé de la plateforme par l’équipe",
        "Staff deleted the group “{title}” on the platform",
    ),
    "moment.performance": ("représentation du {day}", "performance of {day}"),
    "moment.transaction": ("transaction {id}", "transaction {id}"),
    # What `why` answers
    "said.own": ("Le consentement que la plateforme a elle-même ({kept})", "The platform’s own consent ({kept})"),
    "said.implied": (
        "Consentement tacite : la personne a acheté des billets",
        "Implied consent: the person bought tickets",
    ),
    "said.everybody": ("Tout contact envoyé en fait partie", "Every contact that was sent is in it"),
    "said.deleted": ("L’équipe a supprimé le groupe de la plateforme", "Staff deleted the group on the platform"),
    "said.deleted_show": (
        "L’équipe a supprimé le groupe de la plateforme; un nouvel achat le ramènera",
        "Staff deleted the group on the platform; a new purchase brings it back",
    ),
    "said.suppressed": ("Jamais envoyé : {reason}", "Never sent: {reason}"),
    "said.nothing_counts": ("Aucun achat ne compte", "No booking counts"),
    "said.ended": ("Pas envoyé : le consentement est terminé", "Not sent: the consent has ended"),
    "said.soon": ("Pas encore envoyé : la prochaine nuit le fera", "Not sent yet: the next night will"),
    "said.not_sent": ("Pas envoyé", "Not sent"),
    "said.purged": (
        "Dans le groupe depuis des achats trop anciens pour être gardés",
        "In since before the bookings were purged",
    ),
    "said.corrected": ("Un fichier corrigé a retiré l’achat", "A corrected file took the booking back"),
    "said.bought": ("A acheté le {when}", "Bought on {when}"),
    "said.bought_but": ("A acheté le {when} — {why}", "Bought on {when} — {why}"),
    "said.cancelled": ("A annulé le {when}", "Cancelled on {when}"),
    "said.before": ("Dans le groupe depuis un achat fait avant le spectacle", "In since a purchase before the show"),
    "said.late": (
        "Le spectacle s’est terminé le {day}, plus de {grace} jours avant l’envoi de l’achat",
        "The show ended on {day}, more than {grace} days before the purchase was sent",
    ),
    # Consents
    "expiring.title": ("Consentements qui se terminent", "Consents about to end"),
    "expiring.within": ("D’ici {n} jours", "Within {n} days"),
    "expiring.choice": ("D’ici combien de jours", "Within how many days"),
    "expiring.count": (
        "{n} consentement se termine d’ici {days} jours.|{n} consentements se terminent d’ici {days} jours.",
        "{n} consent ends within {days} days.|{n} consents end within {days} days.",
    ),
    "expiring.until": ("Valide jusqu’au", "Valid through"),
    "expiring.contact": ("Contact", "Contact"),
    "expiring.show": ("Dernier spectacle", "Last show"),
    "expiring.masked": (
        "Les adresses sont abrégées. La liste entière : « placier expiring ».",
        "Addresses are shortened. The whole list: “placier expiring”.",
    ),
    # A day again
    "replay.title": ("Refaire une journée", "Replay a day"),
    "replay.what": (
        "Relit une journée et remet la plateforme en accord. Vous verrez d’abord ce qui changerait; rien n’est envoyé avant votre confirmation.",
        "Reads a day again and brings the platform into line. You first see what would change; nothing is sent before you confirm.",
    ),
    "replay.day": ("Journée de vente", "Day of the sales"),
    "replay.from": ("D’où vient la journée", "Where the day comes from"),
    "replay.archive": ("Des archives : le fichier déjà lu", "From the archive: the file that was read"),
    "replay.source": (
        "De la billetterie : un fichier corrigé y a été déposé",
        "From the box office: a corrected file was dropped there",
    ),
    "replay.resend": (
        "Envoyer de nouveau tous les contacts de la journée, même ceux qui sont à jour",
        "Send all contacts of the day again, even those that are up to date",
    ),
    "replay.go": ("Voir ce qui changerait", "See what would change"),
    "replay.bad_day": (
        "Cette date est illisible. Exemple : 2026-11-13.",
        "That day cannot be read. Example: 2026-11-13.",
    ),
    "replay.day_ahead": ("Cette journée n’est pas encore arrivée.", "That day has not come yet."),
    # Something under way, and what came of it
    "errand.preview": ("Aperçu : journée du {day}", "Preview: {day}"),
    "errand.replay": ("Reprise : journée du {day}", "Replay: {day}"),
    "errand.approve": ("Approbation", "Approval"),
    "errand.wait": (
        "C’est en cours. Vous pouvez fermer cette page et y revenir : le travail continue.",
        "This is under way. You may close this page and come back: the work goes on.",
    ),
    "errand.stage": ("Étape : {stage}", "Stage: {stage}"),
    "errand.share": ("{done} sur {total}", "{done} of {total}"),
    "errand.reload": ("Actualiser", "Refresh"),
    "stage.fetch": ("réception du fichier", "fetching the file"),
    "stage.read": ("lecture", "reading"),
    "stage.plan": ("calcul des changements", "planning"),
    "stage.push": ("envoi à la plateforme", "sending to the platform"),
    "stage.record": ("enregistrement", "recording"),
    "stage.merge": ("regroupement des achats", "merging"),
    "errand.nothing": (
        "Rien ne changerait : la plateforme est déjà en accord.",
        "Nothing would change: the platform is in line already.",
    ),
    "errand.would": (
        "Voici ce qui changerait. Rien n’a été envoyé.",
        "This is what would change. Nothing was sent.",
    ),
    "errand.concerns": (
        "{n} contact serait touché.|{n} contacts seraient touchés.",
        "{n} contact would be touched.|{n} contacts would be touched.",
    ),
    "errand.changed": (
        "Entre-temps, le plan a changé : rien n’a été envoyé. Voici le nouvel aperçu; regardez-le avant de confirmer.",
        "The plan has changed in the meantime: nothing was sent. This is the new preview; look at it before you confirm.",
    ),
    "errand.confirm": ("Confirmer et envoyer", "Confirm and send"),
    "errand.confirm_what": (
        "Exactement ce qui est montré ici sera fait. Si le plan a changé entre-temps, rien ne sera envoyé et vous verrez le nouveau.",
        "Exactly what is shown here will be done. If the plan has changed in the meantime, nothing is sent and you see the new one.",
    ),
    "errand.stale": ("Cet aperçu a trop vieilli pour être confirmé.", "This preview is too old to be confirmed."),
    "errand.another": ("Demander un autre aperçu", "Ask for another preview"),
    "errand.done": ("C’est fait.", "Done."),
    "errand.failed": ("Cela n’a pas réussi.", "That did not work."),
    "errand.no_archive": (
        "Les archives n’ont pas cette journée. Si la billetterie a déposé le fichier, choisissez « de la billetterie ».",
        "The archive does not have this day. If the box office has dropped the file, choose “from the box office”.",
    ),
    "errand.no_source": (
        "La billetterie n’a pas, ou pas encore, déposé tous les fichiers de cette journée.",
        "The box office has not dropped all files of this day, or not yet.",
    ),
    "errand.held_changed": (
        "Le plan a changé au dernier moment : rien n’a été envoyé. Demandez un nouvel aperçu.",
        "The plan changed at the last moment: nothing was sent. Ask for a new preview.",
    ),
    "errand.night": ("Voir la journée", "See the day"),
    "errand.counts": ("En chiffres", "In figures"),
    "errand.would_count": ("Changerait", "Would change"),
    "errand.done_count": ("Fait", "Done"),
    "errand.skipped": ("Qui serait laissé tranquille", "Who would be left alone"),
    "errand.skipped_done": ("Qui a été laissé tranquille", "Who was left alone"),
    "errand.contacts": ("Contacts", "Contacts"),
    "errand.reason": ("Raison", "Reason"),
    "errand.changes": ("Les premiers changements", "The first changes"),
    "errand.change_of": ("Contact", "Contact"),
    "errand.why": ("Ce qui change", "What changes"),
    "errand.joins": ("Ajouts", "Joins"),
    "errand.leaves": ("Retraits", "Leaves"),
    "errand.more": (
        "… et {n} autre contact.|… et {n} autres contacts.",
        "… and {n} more contact.|… and {n} more contacts.",
    ),
    "errand.files": ("Les fichiers, tels qu’ils sont lus maintenant", "The files, as they are read now"),
    "errand.would_hold": (
        "Serait retenu jusqu’à une approbation : {reason} ({n}).",
        "Would be held until it is approved: {reason} ({n}).",
    ),
    "errand.held_already": (
        "Est déjà retenu dans ce compte, et le restera : {reason} ({n}).",
        "Is held in this account already, and stays so: {reason} ({n}).",
    ),
    "errand.holds": (
        "Est retenu jusqu’à une approbation : {reason} ({n}).",
        "Is held until it is approved: {reason} ({n}).",
    ),
    "errand.refused": (
        "{n} contact refusé par la plateforme.|{n} contacts refusés par la plateforme.",
        "The platform refused {n} contact.|The platform refused {n} contacts.",
    ),
    "errand.unmatched": (
        "{n} annulation ne correspond à aucun achat; elle est gardée.|{n} annulations ne correspondent à aucun achat; elles sont gardées.",
        "{n} cancellation matches no booking; it is kept.|{n} cancellations match no booking; they are kept.",
    ),
    # What is held
    "held.title": ("Ce qui est retenu", "What is held"),
    "held.run": ("Exécution {id}, journée du {day}", "Run {id}, day of {day}"),
    "held.no_day": ("Exécution {id}", "Run {id}"),
    "held.leaves": (
        "{n} retrait de groupe était demandé d’un coup, plus que d’habitude. Il n’a pas été envoyé; tout le reste l’a été.|"
        "{n} retraits de groupes étaient demandés d’un coup, plus que d’habitude. Aucun n’a été envoyé; tout le reste l’a été.",
        "{n} leave of a group at once, more than usual. It was not sent; everything else was.|"
        "{n} leaves of groups at once, more than usual. None was sent; everything else was.",
    ),
    "held.platform": (
        "{n} groupe ou personne qui était sur la plateforme n’y est plus : rien n’a été envoyé. Est-ce le bon compte?|"
        "{n} groupes ou personnes qui étaient sur la plateforme n’y sont plus : rien n’a été envoyé. Est-ce le bon compte?",
        "{n} group or person that was on the platform is not there any more: nothing was sent. Is it the right account?|"
        "{n} groups or people that were on the platform are not there any more: nothing was sent. Is it the right account?",
    ),
    "held.purge": (
        "{n} ligne du registre ou fichier archivé, la plus grande partie, serait trop ancien à cette date : rien n’a été supprimé.|"
        "{n} lignes du registre ou fichiers archivés, la plus grande partie, seraient trop anciens à cette date : rien n’a été supprimé.",
        "{n} row of the ledger or archived file, most of them, is too old for that day: nothing was deleted.|"
        "{n} rows of the ledger or archived files, most of them, are too old for that day: nothing was deleted.",
    ),
    "held.rejects": (
        "{n} ligne invalide, c’est trop : rien des fichiers de la journée n’est enregistré.|"
        "{n} lignes invalides, c’est trop : rien des fichiers de la journée n’est enregistré.",
        "{n} bad line, too many: nothing of the day’s files is recorded.|{n} bad lines, too many: nothing of the day’s files is recorded.",
    ),
    "held.volume": (
        "{n} ligne, bien plus que d’habitude : rien des fichiers de la journée n’est enregistré.|"
        "{n} lignes, bien plus que d’habitude : rien des fichiers de la journée n’est enregistré.",
        "{n} line, far more than usual: nothing of the day’s files is recorded.|{n} lines, far more than usual: nothing of the day’s files is recorded.",
    ),
    "held.gap": (
        "Il manque {n} fichier ou journée aux archives : rien n’a été reconstruit.|Il manque {n} fichiers ou journées aux archives : rien n’a été reconstruit.",
        "The archive lacks {n} file or day: nothing was rebuilt.|The archive lacks {n} files or days: nothing was rebuilt.",
    ),
    "held.people": ("{n} personne en tout|{n} personnes en tout", "{n} person in all|{n} people in all"),
    "held.because": ("{reason} : {n}", "{reason}: {n}"),
    "held.crowds": ("De quels groupes", "Of which groups"),
    "held.group": ("Groupe", "Group"),
    "held.count": ("Personnes", "People"),
    "held.more": ("… et {n} autre groupe.|… et {n} autres groupes.", "… and {n} more group.|… and {n} more groups."),
    "held.file_line": (
        "{file} : {bad} lignes invalides sur {lines}",
        "{file}: {bad} of {lines} lines are bad",
    ),
    "held.mend": (
        "Si la billetterie a déposé un fichier corrigé, refaites plutôt la journée « de la billetterie » : la retenue disparaîtra.",
        "If the box office has dropped a corrected file, replay the day from the box office instead: the hold goes away.",
    ),
    "held.approve": ("Approuver et envoyer", "Approve and send"),
    "held.approve_what": (
        "Exactement ce qui est retenu sera fait, comme au jour de cette exécution. Si le plan a changé depuis, rien ne sera envoyé.",
        "Exactly what is held will be done, as of the day of that run. If the plan has changed since, nothing is sent.",
    ),
    "held.cannot": (
        "Pour approuver, l’équipe technique tape :",
        "To approve, the technical team types:",
    ),
}
