"""What the pages of the nights say, in French and in English."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.report.words import WORDS, Pair

_NIGHT: Mapping[str, Pair] = {
    "night.title": ("{account} : {day}", "{account}: {day}"),
    "night.heading": ("Journée du {day}", "{day}"),
    "night.brand": ("Placier, compte {account}", "Placier, account {account}"),
    "night.made": ("{kind} · {moment} · en date du {as_of}", "{kind} · {moment} · as of {as_of}"),
    "night.made_unknown": ("{kind} · en date du {as_of}", "{kind} · as of {as_of}"),
    "night.foot": (
        "Passage {run}. Cette page ne demande rien au réseau. Les adresses y sont masquées.",
        "Run {run}. This page asks the network for nothing. Addresses are masked.",
    ),
    "night.foot_shown": (
        "Passage {run}. Cette page ne demande rien au réseau. Elle contient des adresses : ne la transmettez pas.",
        "Run {run}. This page asks the network for nothing. It holds addresses: do not pass it on.",
    ),
    "night.all": ("Toutes les journées", "All nights"),
    "night.summary": ("En bref", "At a glance"),
    "night.do": ("À faire", "What to do"),
    "night.technical": ("Message technique (en anglais)", "The message"),
    "night.earlier": ("Autres passages de cette journée", "Other runs of this day"),
    "night.before": (
        "Voir plus bas le passage qui a changé la plateforme.|Voir plus bas les {n} passages qui ont changé la plateforme.",
        "See below the run that changed the platform.|See below the {n} runs that changed the platform.",
    ),
    "night.more_runs": ("Les passages plus anciens ne sont pas montrés.", "Older runs are not shown."),
    # Sections
    "in.title": ("Ce qui est arrivé", "What came in"),
    "in.none": ("Aucun fichier n’a été lu.", "No file was read."),
    "in.caption": ("Fichiers lus", "Files that were read"),
    "in.file": ("Fichier", "File"),
    "in.version": ("Version", "Version"),
    "in.lines": ("Lignes", "Lines"),
    "in.accepted": ("Acceptées", "Accepted"),
    "in.rejected": ("Mises de côté", "Set aside"),
    "in.sha": ("Empreinte SHA-256", "SHA-256"),
    "in.ignored": ("Colonnes ignorées : {names}.", "Columns ignored: {names}."),
    "in.unmatched": (
        (
            "{n} annulation ne correspond à aucun achat connu; elle est conservée, l’achat peut encore arriver.|"
            "{n} annulations ne correspondent à aucun achat connu; elles sont conservées, les achats peuvent encore arriver."
        ),
        (
            "{n} cancellation matches no known purchase; it is kept, the purchase may still come.|"
            "{n} cancellations match no known purchase; they are kept, the purchases may still come."
        ),
    ),
    "change.title": ("Ce qui a changé", "What changed"),
    "change.none": ("Aucun contact n’a changé.", "No contact changed."),
    "change.counts": ("Prévu et fait", "Planned and done"),
    "change.what": ("Opération", "Operation"),
    "change.planned": ("Prévu", "Planned"),
    "change.done": ("Fait", "Done"),
    "change.people": ("Qui a changé, et pourquoi", "Who changed, and why"),
    "change.shown": (
        "Les {shown} premiers de {all} contacts, par adresse.",
        "The first {shown} of {all} contacts, by address.",
    ),
    "change.contact": ("Contact", "Contact"),
    "change.why": ("Pourquoi", "Why"),
    "change.joins": ("Ajouté aux groupes", "Added to groups"),
    "change.leaves": ("Retiré des groupes", "Taken out of groups"),
    "change.held": ("retenu", "held"),
    "change.groups": (
        "Groupe créé : {names}.|Groupes créés : {names}.",
        "Group created: {names}.|Groups created: {names}.",
    ),
    "change.search": ("Chercher dans ce tableau", "Search this table"),
    "change.hint": (
        "Une partie de l’adresse, un spectacle, un motif",
        "A part of the address, a show, a reason",
    ),
    "change.found": ("{shown} sur {all}", "{shown} of {all}"),
    "count.groups_created": ("Groupes créés", "Groups created"),
    "count.contacts_created": ("Contacts créés", "Contacts created"),
    "count.contacts_updated": ("Contacts mis à jour", "Contacts updated"),
    "count.joins": ("Ajouts à un groupe", "Joined a group"),
    "count.leaves": ("Retraits d’un groupe", "Left a group"),
    "reason.new contact": ("Nouveau contact", "New contact"),
    "reason.consent renewed": ("Consentement renouvelé", "Consent renewed"),
    "reason.sent again on request": ("Renvoyé sur demande", "Sent again on request"),
    "reason.purchase": ("Dernier achat mis à jour", "Last purchase updated"),
    "reason.person": ("Coordonnées modifiées : {names}", "Details changed: {names}"),
    "reason.joins": ("Achat pour un autre spectacle", "Bought for another show"),
    "reason.cancelled": ("Annulation", "Cancellation"),
    "reason.corrected": ("Fichier corrigé par la billetterie", "File corrected by the box office"),
    "aside.title": ("Ce qui a été mis de côté", "What was set aside"),
    "aside.none": ("Aucune ligne n’a été mise de côté.", "No line was set aside."),
    "aside.caption": (
        "Lignes mises de côté; la ligne 1 est celle des en-têtes",
        "Lines set aside; line 1 is the header",
    ),
    "aside.file": ("Fichier", "File"),
    "aside.line": ("Ligne", "Line"),
    "aside.reason": ("Motif", "Reason"),
    "aside.shown": ("Les {shown} premières de {all} lignes.", "The first {shown} of {all} lines."),
    "aside.how": (
        "Pour en voir le texte, avec le fichier de la billetterie :",
        "To see their text, with the box office’s file:",
    ),
    "skip.title": ("Qui a été laissé tranquille", "Who was left alone"),
    "skip.none": ("Aucun contact n’a été écarté.", "No contact was left alone."),
    "skip.caption": ("Contacts à qui rien n’a été envoyé", "Contacts for whom nothing was sent"),
    "skip.reason": ("Motif", "Reason"),
    "skip.contacts": ("Contacts", "Contacts"),
    "skip.why": ("Pour une personne en particulier :", "For one person in particular:"),
    "wait.title": ("Ce qui est retenu", "What is held"),
    "wait.none": ("Rien n’est retenu.", "Nothing is held."),
    "wait.since": ("Retenu par le passage {run}", "Held by the run {run}"),
    "wait.day": ("Journée du {day}.", "For {day}."),
    "wait.leaves": (
        (
            "{n} retrait de groupe attend votre accord; tout le reste a été envoyé.|"
            "{n} retraits de groupes attendent votre accord; tout le reste a été envoyé."
        ),
        (
            "{n} leave of a group waits for your word; everything else was sent.|"
            "{n} leaves of groups wait for your word; everything else was sent."
        ),
    ),
    "wait.platform": (
        (
            "{n} groupe ou contact a disparu de la plateforme : rien n’a été envoyé.|"
            "{n} groupes ou contacts ont disparu de la plateforme : rien n’a été envoyé."
        ),
        (
            "{n} group or contact is gone from the platform: nothing was sent.|"
            "{n} groups or contacts are gone from the platform: nothing was sent."
        ),
    ),
    "wait.rejects": (
        (
            "{n} ligne invalide, c’est trop : rien des fichiers de la journée n’est inscrit.|"
            "{n} lignes invalides, c’est trop : rien des fichiers de la journée n’est inscrit."
        ),
        (
            "{n} bad line, too many: nothing of the day’s files is recorded.|"
            "{n} bad lines, too many: nothing of the day’s files is recorded."
        ),
    ),
    "wait.volume": (
        (
            "{n} ligne, bien plus que d’habitude : rien des fichiers de la journée n’est inscrit.|"
            "{n} lignes, bien plus que d’habitude : rien des fichiers de la journée n’est inscrit."
        ),
        (
            "{n} line, far more than usual: nothing of the day’s files is recorded.|"
            "{n} lines, far more than usual: nothing of the day’s files is recorded."
        ),
    ),
    "wait.purge": (
        (
            "{n} ligne ou fichier serait effacé, soit la plus grande part : rien n’a été effacé.|"
            "{n} lignes ou fichiers seraient effacés, soit la plus grande part : rien n’a été effacé."
        ),
        (
            "{n} row or file would be deleted, most of what there is: nothing was.|"
            "{n} rows or files would be deleted, most of what there is: nothing was."
        ),
    ),
    "wait.gap": (
        (
            "{n} fichier ou journée manque aux archives : rien n’a été reconstruit.|"
            "{n} fichiers ou journées manquent aux archives : rien n’a été reconstruit."
        ),
        (
            "{n} file or day is missing from the archive: nothing was rebuilt.|"
            "{n} files or days are missing from the archive: nothing was rebuilt."
        ),
    ),
    "wait.other": ("{n} opération attend.|{n} opérations attendent.", "{n} operation waits.|{n} operations wait."),
    "wait.people": ("{n} personne concernée|{n} personnes concernées", "{n} person concerned|{n} people concerned"),
    "wait.file": ("{name} : {bad} lignes invalides sur {lines}", "{name}: {bad} of {lines} lines are bad"),
    "wait.approve": (
        "Si c’est voulu, cette commande l’autorise, et rien d’autre :",
        "If it is intended, this command lets it through, and nothing else:",
    ),
    "wait.refetch": ("Si la billetterie a corrigé le fichier :", "If the box office has corrected the file:"),
    "wait.look": ("Pour voir le détail :", "To see the details:"),
    "refused.title": ("Ce que la plateforme a refusé", "What the platform refused"),
    "refused.none": ("La plateforme n’a rien refusé.", "The platform refused nothing."),
    "refused.caption": (
        "Contacts refusés, réessayés au prochain passage",
        "Contacts refused, tried again by the next run",
    ),
    "refused.why": ("Réponse de la plateforme", "The platform’s answer"),
    "refused.shown": ("Les {shown} premiers de {all} contacts.", "The first {shown} of {all} contacts."),
    "refused.group": (
        (
            "Le groupe « {title} » ne peut pas être utilisé; {n} contact l’attend.|"
            "Le groupe « {title} » ne peut pas être utilisé; {n} contacts l’attendent."
        ),
        (
            "The group “{title}” cannot be used; {n} contact waits for it.|"
            "The group “{title}” cannot be used; {n} contacts wait for it."
        ),
    ),
    "end.title": ("Consentements qui se terminent", "Consents about to end"),
    "end.none": ("Aucun dans les {days} prochains jours.", "None within the next {days} days."),
    "end.within": ("D’ici {days} jours", "Within {days} days"),
    "end.caption": ("Les premiers à se terminer", "The first to end"),
    "end.until": ("Valide jusqu’au", "Valid through"),
    "end.show": ("Dernier spectacle", "Last show"),
    "end.all": ("La liste entière, avec les adresses :", "The whole list, with addresses:"),
    "trend.title": ("Tendances", "Trends"),
    "trend.table": ("Les mêmes chiffres en tableau", "The same figures as a table"),
    "trend.day": ("Jour", "Day"),
    "trend.bought": ("Réservations", "Bookings"),
    "trend.cancelled": ("Annulations", "Cancellations"),
    "trend.sales": ("Réservations et annulations, par jour", "Bookings and cancellations, by day"),
    "trend.sales_told": (
        "{bought} réservations et {cancelled} annulations du {first} au {last}.",
        "{bought} bookings and {cancelled} cancellations from {first} to {last}.",
    ),
    "trend.contacts": ("Contacts et consentements valides", "Contacts and valid consents"),
    "trend.all": ("Contacts", "Contacts"),
    "trend.valid": ("Consentements valides", "Valid consents"),
    "trend.contacts_told": (
        "Le {day} : {contacts} contacts, dont {valid} avec un consentement valide.",
        "On {day}: {contacts} contacts, {valid} of them with a valid consent.",
    ),
    "trend.first": (
        "La courbe se dessinera au fil des nuits : c’est la première.",
        "The curve grows night by night: this is the first.",
    ),
    "trend.groups": ("Groupes les plus récents", "The newest groups"),
    "trend.group": ("Groupe", "Group"),
    "trend.members": ("Membres", "Members"),
    "trend.groups_told": ("Le plus grand : {title}, {members} membres.", "The largest: {title}, {members} members."),
    "trend.nights": ("Durée des traitements de nuit", "How long the nightly runs took"),
    "trend.seconds": ("Durée", "Duration"),
    "trend.axis": ("secondes", "seconds"),
    "trend.nights_told": ("Le dernier : {took}.", "The last one: {took}."),
    "detail.title": ("Détails techniques", "Technical details"),
    "detail.run": ("Passage", "Run"),
    "detail.requests": ("Requêtes à la plateforme", "Requests to the platform"),
    "detail.stage": ("Étape", "Stage"),
    "detail.time": ("Durée", "Duration"),
    "stage.fetch": ("Réception", "Fetch"),
    "stage.read": ("Lecture", "Read"),
    "stage.record": ("Inscription", "Record"),
    "stage.plan": ("Plan", "Plan"),
    "stage.push": ("Envoi", "Push"),
    "stage.survey": ("Inventaire", "Survey"),
}

_SUMMARY: Mapping[str, Pair] = {
    "sum.files": ("{n} fichier reçu|{n} fichiers reçus", "{n} file came in|{n} files came in"),
    "sum.lines": ("{n} ligne|{n} lignes", "{n} line|{n} lines"),
    "sum.aside": ("{n} mise de côté|{n} mises de côté", "{n} set aside"),
    "sum.no_aside": ("aucune mise de côté", "none set aside"),
    "sum.received": ("{files} : {lines}, {aside}.", "{files}: {lines}, {aside}."),
    "sum.empty": (
        "{files}, sans aucune ligne : une journée sans vente.",
        "{files} without a line: a day without sales.",
    ),
    "sum.created": ("{n} contact créé|{n} contacts créés", "{n} contact created|{n} contacts created"),
    "sum.updated": ("{n} contact mis à jour|{n} contacts mis à jour", "{n} contact updated|{n} contacts updated"),
    "sum.joins": ("{n} ajout à un groupe|{n} ajouts à des groupes", "{n} joined a group"),
    "sum.leaves": ("{n} retrait de groupe|{n} retraits de groupes", "{n} left a group"),
    "sum.groups": ("{n} groupe créé|{n} groupes créés", "{n} group created|{n} groups created"),
    "sum.pushed": ("Sur la plateforme : {what}.", "On the platform: {what}."),
    "sum.nothing": ("Rien n’a changé sur la plateforme.", "Nothing changed on the platform."),
    "sum.done": ("Tout s’est bien passé. Il n’y a rien à faire.", "All went well. There is nothing to do."),
    "sum.done_aside": (
        (
            "Tout s’est bien passé. {n} ligne reste à faire corriger à la billetterie.|"
            "Tout s’est bien passé. {n} lignes restent à faire corriger à la billetterie."
        ),
        (
            "All went well. {n} line is left for the box office to correct.|"
            "All went well. {n} lines are left for the box office to correct."
        ),
    ),
    "sum.held": (
        "Quelque chose d’inhabituel attend votre accord. Rien n’est perdu, le reste suit son cours.",
        "Something unusual waits for your word. Nothing is lost, the rest goes on.",
    ),
    "sum.missing": (
        "Le fichier de la billetterie n’était pas là. Le prochain passage le cherchera de nouveau.",
        "The box office’s file was not there. The next run looks for it again.",
    ),
    "sum.refused": (
        (
            "La plateforme a refusé {n} contact. Placier réessaie à chaque passage.|"
            "La plateforme a refusé {n} contacts. Placier réessaie à chaque passage."
        ),
        (
            "The platform refused {n} contact. Placier tries again with every run.|"
            "The platform refused {n} contacts. Placier tries again with every run."
        ),
    ),
    "sum.blocked": (
        "{n} groupe ne peut pas être utilisé.|{n} groupes ne peuvent pas être utilisés.",
        "{n} group cannot be used.|{n} groups cannot be used.",
    ),
    "sum.came_back": (
        (
            "{n} personne désabonnée est de nouveau membre sur la plateforme; Placier continue de la laisser tranquille.|"
            "{n} personnes désabonnées sont de nouveau membres sur la plateforme; Placier continue de les laisser tranquilles."
        ),
        (
            "{n} person who had left is a member of the platform again; Placier still leaves them alone.|"
            "{n} people who had left are members of the platform again; Placier still leaves them alone."
        ),
    ),
    "sum.running": ("Ce passage n’est pas terminé.", "This run has not ended."),
    "sum.dry_run": ("Une simulation : rien n’a été envoyé.", "A dry run: nothing was sent."),
    # Why a run failed, by the kind of error
    "trouble.other": (
        "Le passage s’est arrêté avant la fin. Rien n’est fait à moitié; le prochain reprend.",
        "The run stopped before its end. Nothing is half-done; the next one goes on.",
    ),
    "trouble.Killed": (
        "Le passage a été interrompu (arrêt forcé, ou panne de la machine). Le prochain reprend là où il en était.",
        "The run was cut short (killed, or the machine went down). The next one goes on from there.",
    ),
    "trouble.UsageError": (
        "La configuration, ou le compte de la plateforme, demande une correction. Rien n’a été écrit sur la plateforme.",
        "The configuration, or the platform account, needs mending. Nothing was written to the platform.",
    ),
    "trouble.UntrustedFile": (
        "Un fichier de la billetterie n’est pas fiable en entier. Rien n’en a été pris.",
        "A file of the box office cannot be trusted as a whole. Nothing of it was taken.",
    ),
    "trouble.StillChanging": (
        "Un fichier de la billetterie était encore en cours d’écriture. Rien n’en a été pris.",
        "A file of the box office was still being written. Nothing of it was taken.",
    ),
    "trouble.SourceError": (
        "Le serveur de la billetterie a refusé la connexion, ou n’est pas celui attendu.",
        "The box office’s server refused, or is not the one expected.",
    ),
    "trouble.SourceUnavailable": (
        "Le serveur de la billetterie ne répondait pas. Le prochain passage réessaie.",
        "The box office’s server did not answer. The next run tries again.",
    ),
    "trouble.PlatformError": (
        "La plateforme d’envoi a refusé une demande. La journée est inscrite; le prochain passage envoie le reste.",
        "The mailing platform refused a request. The day is recorded; the next run sends what is left.",
    ),
    "trouble.PlatformUnavailable": (
        "La plateforme d’envoi ne répondait pas. La journée est inscrite; le prochain passage envoie le reste.",
        "The mailing platform did not answer. The day is recorded; the next run sends what is left.",
    ),
    "trouble.StateError": (
        "La base de données ou les archives ne peuvent être ni lues ni écrites.",
        "The database or the archive cannot be read or written.",
    ),
    "trouble.EngineUnavailable": (
        "La grappe de calcul ne répondait pas. La même commande peut être relancée.",
        "The cluster did not answer. The same command can be given again.",
    ),
    "trouble.Defect": (
        "Placier a rencontré un défaut imprévu. Transmettez le message ci-dessous au soutien technique.",
        "Placier met a defect that nobody foresaw. Hand the message below to support.",
    ),
    # What to do, with the commands
    "do.status": ("Pour voir où en est le compte :", "To see how the account stands:"),
    "do.run": (
        "Dès que le fichier est là, ou pour réessayer tout de suite :",
        "Once the file is there, or to try again at once:",
    ),
    "do.again": (
        "Pour réessayer sans attendre la prochaine nuit :",
        "To try again without waiting for the next night:",
    ),
    "do.doctor": ("Pour savoir quoi corriger, dans l’ordre :", "To learn what to mend, in order:"),
    "do.refetch": (
        "Faites corriger le fichier par la billetterie; le prochain passage le reprend. Pour le faire tout de suite :",
        "Have the box office correct the file; the next run takes it. To do it at once:",
    ),
    "do.approve": (
        "Si ce qui est retenu est voulu (les détails sont plus bas) :",
        "If what is held is intended (details are below):",
    ),
    "do.why": (
        "Les réponses de la plateforme sont plus bas. Pour une personne en particulier :",
        "The platform’s answers are below. For one person in particular:",
    ),
}

_INDEX: Mapping[str, Pair] = {
    "index.title": ("{account} : les journées", "{account}: the nights"),
    "index.heading": ("Les journées", "The nights"),
    "index.none": ("Aucune journée encore.", "No night yet."),
    "index.caption": (
        "La plus récente d’abord; les chiffres sont ceux du dernier passage",
        "Newest first; the figures are those of the last run",
    ),
    "index.day": ("Journée", "Night"),
    "index.status": ("État", "Status"),
    "index.kind": ("Passage", "Run"),
    "index.lines": ("Lignes", "Lines"),
    "index.rejected": ("Mises de côté", "Set aside"),
    "index.changed": ("Contacts changés", "Contacts changed"),
    "index.refused": ("Refusés", "Refused"),
    "index.runs": ("Passages", "Runs"),
    "index.accounts": ("Comptes", "Accounts"),
    "index.account": ("Compte", "Account"),
    "index.last": ("Dernière journée", "Last night"),
}

SENTENCES: Mapping[str, Pair] = {**WORDS, **_NIGHT, **_SUMMARY, **_INDEX}
"""Everything that the pages of the nights say."""
