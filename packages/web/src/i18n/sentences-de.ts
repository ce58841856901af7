import type { Templates } from "@spur/verifier/evidence/sentences";

/** The verifier's sentences in German, by its codes. */
export const sentencesDe: Templates = {
  "format/ok": "Die Datei ist heil: Jedes Byte steht, wo ihr Format es verlangt.",
  "format/refuted": "Das ist keine Datei des Formats, das sie angibt ({error}: {detail}).",
  "format/unknown": "Die Datei hat ein Format, das diese Fassung nicht kennt ({detail}).",
  "log-signature/ok":
    "Der Checkpoint von {origin} bei Größe {size} ist von {key} signiert, einem Schlüssel, dem Sie vertrauen.",
  "log-signature/refuted": "Die Signatur des Logs hält nicht ({error}: {detail}).",
  "log-signature/unknown":
    "Der Checkpoint von {origin} bei Größe {size} ist von {key} signiert, einem Schlüssel, von dem Sie nicht gesagt haben, dass Sie ihm vertrauen.",
  "signature-line/unknown":
    "Eine Zeile des Checkpoints ist von {key} signiert (Schlüssel-ID {keyId}); Sie vertrauen keinem Schlüssel dieses Namens.",
  "signature-line/witness": "Der Zeuge {key} sah diesen Checkpoint um {time}.",
  "signature-line/type": "Die Signatur von {key}, dem Sie vertrauen, ist von einer hier nicht prüfbaren Art.",
  "key/taken-back": "Eintrag {index} steht unter {key}, einem Schlüssel, den das Log in Eintrag {at} zurücknahm.",
  "successor/ok":
    "Eintrag {index} verknüpft dieses Log mit {origin}, dem Sie vertrauen, bei Größe {size}: Eines setzt das andere fort.",
  "successor/unknown":
    "Eintrag {index} verknüpft dieses Log mit einem anderen (Schlüssel-ID {keyId}, Größe {size}), dem Sie nicht vertrauen.",
  "proof/whole": "Der vorliegende Eintrag ist Eintrag {index} von {origin}, in dessen Baum von {size} Einträgen.",
  "proof/no-entry": "Was an Stelle {index} steht, fehlt in dieser Datei: Legen Sie es bei, um es zu prüfen.",
  "proof/extra": "Die Datei trägt Zusatzdaten ({bytes} Bytes), für die niemand bürgt.",
  "misbehaviour/fork":
    "{origin} signierte mit {key} Verläufe, die einander ausschließen (Größen {older}, {newer}): Dieser Schlüssel hat gelogen oder wurde gestohlen.",
  "misbehaviour/receipt":
    "{origin} versprach einen anderen Eintrag {index} ({receipts}), als sein Log hält ({key}): Ein Schlüssel hat gelogen oder wurde gestohlen.",
  "misbehaviour/nothing": "Diese Datei überführt niemanden ({error}: {detail}).",
  "witnesses/ok":
    "Zeugen, denen Sie vertrauen, haben diesen Checkpoint gesehen ({count}): Das von Ihnen verlangte Quorum ist erreicht.",
  "witnesses/refuted": "Die Mitsignatur des Zeugen {key} hält nicht.",
  "witnesses/no-quorum":
    "Sie haben kein Quorum von Zeugen genannt: Ob anderen dasselbe Log gezeigt wurde, ist nicht geprüft.",
  "witnesses/not-met":
    "Zu wenige Zeugen, denen Sie vertrauen, haben diesen Checkpoint gesehen ({count}): Ihr Quorum ist nicht erreicht.",
  "entry/ok": "Eintrag {index} ist ein wohlgeformter Eintrag der Art {type}.",
  "entry/refuted": "Eintrag {index} verletzt die Regeln seines eigenen Formats ({error}: {detail}).",
  "entry/unknown": "Eintrag {index} ist von einer Art, die diese Fassung nicht kennt ({detail}).",
  "entry/twice": "Die Einträge {other} und {index} tragen dieselbe Kennung.",
  "inclusion/ok": "Eintrag {index} steht im Log, im Baum aus {size} Einträgen.",
  "inclusion/refuted": "Eintrag {index} steht nicht in diesem Log ({error}: {detail}).",
  "inclusion/none": "Die Datei zeigt keinen Eintrag.",
  "opening/ok": "{name} in Eintrag {index}, {bytes} Bytes: genau das, was aufgezeichnet wurde, unverändert.",
  "opening/empty": "{name} in Eintrag {index}: wurde als leer aufgezeichnet.",
  "opening/refuted":
    "{name} in Eintrag {index}: Was die Datei hier zeigt, ist nicht das, was aufgezeichnet wurde ({error}: {detail}).",
  "opening/no-entry":
    "Die Datei öffnet Inhalt von Eintrag {index}, zeigt diesen Eintrag aber nicht so, dass er sich prüfen lässt.",
  "row/ok": "Zeile {row} steht unverändert in den Daten von Eintrag {index}.",
  "row/refuted": "Zeile {row} steht nicht in den Daten von Eintrag {index} ({error}: {detail}).",
  "row/no-entry":
    "Die Datei zeigt eine Zeile aus Eintrag {index}, den Eintrag selbst aber nicht so, dass er sich prüfen lässt.",
  "dsse/ok": "Die Aussage in Eintrag {index} ist von {key} signiert, einem Schlüssel, dem Sie vertrauen.",
  "dsse/refuted":
    "Die Aussage in Eintrag {index} nennt den Schlüssel {key}, dem Sie vertrauen, aber die Signatur hält nicht.",
  "dsse/too-many":
    "Die Signaturen der Aussage in Eintrag {index} wurden nicht durchprobiert: Die Datei enthält zu viele.",
  "dsse/unknown": "Die Aussage in Eintrag {index} ist von niemandem signiert, dessen Schlüssel Sie vertrauen.",
  "reference/ok": "Eintrag {index} verweist auf Eintrag {target} ({role}), und dort steht, was er meint.",
  "reference/refuted":
    "Eintrag {index} verweist auf Eintrag {target} ({role}), aber dort steht nicht, was er meint ({error}).",
  "reference/absent":
    "Eintrag {index} verweist auf Eintrag {target} ({role}); das lässt sich in dieser Datei nicht prüfen.",
  "register/ok": "Die Einträge des Registers „{register}“, die die Datei zeigt ({count}), passen zueinander.",
  "register/complete":
    "Das Register „{register}“ ist bis Eintrag {closing} vollständig: Alle {to} Einträge sind in der Datei.",
  "register/refuted": "Das Register „{register}“ widerspricht sich bei Eintrag {index} ({detail}).",
  "closing/ok": "Bei Eintrag {index} wurden alle Register abgeschlossen; spätere Einträge des Logs: {after}.",
  "closing/refuted": "Dem Abschluss bei Eintrag {index} wird widersprochen ({detail}).",
  "closing/absent": "Die Datei nennt Eintrag {index} als Abschluss der Register, zeigt ihn aber nicht.",
  "time/ok": "Die aufgezeichneten Stunden passen zum frühesten Zeitpunkt, zu dem ein Zeuge sie gesehen hat: {time}.",
  "time/refuted": "Eintrag {index} nennt {at}, aber ein Zeuge hatte ihn schon vorher gesehen, um {time}.",
  "time/none": "Hinter den aufgezeichneten Stunden steht keine Uhr von außen.",
  "time/fresh": "Ein Zeuge hat den Checkpoint um {time} gesehen: innerhalb der {hours} Stunden, die Sie verlangen.",
  "time/old":
    "Sie verlangen einen Checkpoint der letzten {hours} Stunden; die jüngste Zeit, für die ein Zeuge einsteht, ist {time}.",
  "time/no-age": "Sie verlangen einen Checkpoint der letzten {hours} Stunden; für sein Alter steht hier nichts ein.",
  "anchor/unknown":
    "Die Datei trägt Anker auf einer Kette ({count}), die diese Fassung nicht prüfen kann: Ein Datum wird ihnen nicht entnommen.",
  "claim/reported":
    "Eintrag {index} wurde von einem Client gemeldet: Was darin steht, wurde behauptet und ist seither unverändert.",
  "claim/imported": "Eintrag {index} wurde übernommen: Was darin steht, wurde behauptet und ist seither unverändert.",
  "require/absent": "Sie verlangen die Prüfung „{name}“; die Datei enthält nichts dafür.",
  "receipt/ok":
    "Die Quittung für den Eintrag {rec} an Stelle {index} ist von {key} signiert, einem Schlüssel, dem Sie vertrauen.",
  "receipt/announced":
    "Die Quittung für den Eintrag {rec} an Stelle {index} ist von {key} signiert; das Log hat diesen Schlüssel in Eintrag {announced} angekündigt.",
  "receipt/refuted": "Die Quittung hält nicht ({error}: {detail}).",
  "receipt/unknown":
    "Die Quittung für den Eintrag {rec} an Stelle {index} ist von {key} signiert, einem Schlüssel, von dem Sie nicht gesagt haben, dass Sie ihm vertrauen.",
  "receipt/key-open":
    "Ob das Log den Schlüssel, den Eintrag {announced} ankündigt, vor Eintrag {index} zurückgenommen hat, ist nicht geprüft.",
  "receipt/kept": "Das Log hält in Eintrag {index} genau das, was die Quittung versprochen hat.",
  "receipt/contradicts":
    "Das Log hält an Stelle {index} einen anderen Eintrag, als die Quittung versprochen hat: Der Betreiber hat beides signiert, und eines davon ist gelogen.",
  "receipt/not-shown":
    "Ob das Log in Eintrag {index} hält, was die Quittung versprochen hat, ist nicht geprüft: Keine Beweisdatei, die unter Ihrem Vertrauen standhält, zeigt diesen Eintrag.",
  "q5/decision":
    "Eintrag {decision} entscheidet über die Antwort in Eintrag {index}: {verdict:word} von {actor:word}, Richtlinie in Fassung {version}.",
  "q5/no-decision": "Die Datei zeigt keine Entscheidung über die Antwort in Eintrag {index}.",
  "q5/policy":
    "Eintrag {decision} nennt Fassung {version} der Richtlinie und verweist auf Eintrag {target}, der eine andere Richtlinie ist.",
  "q5/last-decision":
    "Eine spätere Entscheidung über die Antwort in Eintrag {index} gibt es bis Eintrag {closing} nicht.",
  "q5/later-decisions": "Ob es eine spätere Entscheidung über die Antwort in Eintrag {index} gibt, ist nicht geprüft.",
  "q5/removed": "Der Inhalt von Eintrag {index} wurde entfernt, wie Eintrag {removal} sagt; Grund: {basis:word}.",
  "q5/removal-open":
    "In Eintrag {removal} wurde angeordnet, den Inhalt von Eintrag {index} zu entfernen; dass es vollzogen ist, zeigt die Datei nicht.",
  "q5/removal-failed":
    "Den Inhalt von Eintrag {index} zu entfernen wurde versucht und ist gescheitert, wie Eintrag {removal} sagt.",
  "q5/removal-wrong": "Eintrag {removal} vollzieht eine Entfernung, die für einen anderen Eintrag angeordnet war.",
  "q5/not-removed": "Bis Eintrag {closing} wurde keine Entfernung von Eintrag {index} angeordnet.",
  "q5/removals-open": "Ob der Inhalt von Eintrag {index} seither entfernt wurde, ist nicht geprüft.",
  "q5/decided":
    "Eintrag {index} von {origin} ist echt: Die Antwort wurde von {actor:word} nach Fassung {version} der Richtlinie {verdict:word}; nichts in dieser Datei widerspricht dem.",
  "q5/decided-alone":
    "Eintrag {index} von {origin} ist echt: Die Antwort wurde von {actor:word} nach Fassung {version} der Richtlinie {verdict:word}; bis Eintrag {closing} gibt es keine spätere Entscheidung und keine Entfernung.",
  "q5/decided-removed":
    "Eintrag {index} von {origin} ist echt: Die Antwort wurde von {actor:word} nach Fassung {version} der Richtlinie {verdict:word}; ihr Inhalt wurde seither entfernt (Eintrag {removal}), die Spur bleibt.",
  "q5/incomplete":
    "Wer die Antwort in Eintrag {index} von {origin} freigegeben hat und nach welcher Richtlinie, lässt sich mit dieser Datei nicht prüfen.",
  "q5/many":
    "Die Datei zeigt {count} Antworten von {origin}: Über jede wurde entschieden, und nichts in dieser Datei widerspricht dem.",
  "q5/many-incomplete":
    "Die Datei zeigt {count} Antworten von {origin}; zu Eintrag {index} zeigt sie nicht alles, was die Frage braucht.",
  "q8/recipe":
    "Daten, Code, Einstellungen und Startwert des Trainingslaufs in Eintrag {index} wurden vor seinem ersten Ergebnis (Eintrag {first}) aufgezeichnet.",
  "q8/no-steps": "Die Datei zeigt kein Ergebnis des Trainingslaufs in Eintrag {index}.",
  "q8/chain":
    "Die Zwischenstände des Trainingslaufs in Eintrag {index} ({count}) folgen lückenlos aufeinander, von Schritt {from} bis Schritt {to}.",
  "q8/chain-refuted":
    "Die Zwischenstände des Trainingslaufs in Eintrag {index} widersprechen sich bei Eintrag {checkpoint} ({detail}).",
  "q8/no-chain": "Die Datei zeigt keine lückenlose Kette von Zwischenständen des Trainingslaufs in Eintrag {index}.",
  "q8/replayed":
    "Die Schritte {from} bis {to} des Trainingslaufs in Eintrag {index} wurden nachgerechnet (Eintrag {replay}): dieselben Gewichte, Bit für Bit.",
  "q8/differs":
    "Die Schritte {from} bis {to} des Trainingslaufs in Eintrag {index} wurden nachgerechnet (Eintrag {replay}): Es kamen andere Gewichte heraus.",
  "q8/replay-refuted":
    "Die Nachrechnung in Eintrag {replay} sagt über sich, was ihre eigenen Prüfsummen widerlegen ({detail}).",
  "q8/no-replay": "Die Datei zeigt keine Nachrechnung des Trainingslaufs in Eintrag {index}.",
  "q8/repeatable":
    "Der Trainingslauf in Eintrag {index} von {origin} lässt sich wiederholen: Sein Rezept stand zuerst fest, seine Zwischenstände ({count}) folgen aufeinander, und das Nachrechnen der Schritte {from} bis {to} ergab dieselben Gewichte.",
  "q8/incomplete":
    "Ob sich der Trainingslauf in Eintrag {index} von {origin} wiederholen lässt, zeigt diese Datei nicht vollständig.",
  "lineage/whole":
    "Eintrag {index} von {origin} ist Schritt für Schritt bis dorthin zurückverfolgt, woher seine Daten kamen (Einträge: {steps}, Quellen: {sources}); jeder Schritt ist in dieser Datei und passt.",
  "lineage/broken":
    "Die Spur von Eintrag {index} von {origin} ist nicht vollständig: Einige ihrer Schritte ({missing}) lassen sich in dieser Datei nicht prüfen.",
  "lineage/ends":
    "Die Spur von Eintrag {index} von {origin} endet bei Eintrag {end} ({type:word}); Früheres ist dazu nicht aufgezeichnet.",
  "lineage/end": "Eintrag {index} ({type:word}) nennt nichts, woraus er hervorgegangen wäre.",
  "answer/refuted": "{ask}: Was diese Datei sagt, ist widerlegt (fehlgeschlagene Prüfungen: {count}).",
  "answer/not-recorded": "{ask}: Diese Datei enthält keine Einträge, die darauf antworten.",
  "report/refuted":
    "Verlassen Sie sich nicht auf diese Datei: Sie widerspricht sich selbst oder ihrem Log (fehlgeschlagene Prüfungen: {count}).",
  "report/signer-unknown":
    "Diese Datei stimmt mit sich selbst überein; wer sie signiert hat, ist Ihnen nicht bekannt, bestätigt ist also nichts.",
  "report/incomplete": "Nicht bestätigt: Verlangte Prüfungen ließen sich nicht durchführen ({count}).",
  "report/no-answer":
    "Was diese Datei zeigt, ist echt; zu der Frage, für die sie gemacht wurde, enthält sie aber keine Einträge.",
  "report/defect":
    "Das Prüfprogramm selbst ist an dieser Datei gescheitert ({detail}); über die Datei sagt das nichts.",
  "receipt/whole":
    "{origin} hat schriftlich versprochen, dass {what:word} der Eintrag {rec} an Stelle {index} seines Logs ist.",
  "receipt/whole-kept":
    "{origin} hat schriftlich versprochen, dass {what:word} der Eintrag {rec} an Stelle {index} seines Logs ist, und das Log hält das Versprechen.",
  "note/untrusted": "(Unterzeichner unbekannt: Das gilt nur innerhalb der Datei.)",
  "word/released": "freigegeben",
  "word/withheld": "zurückgehalten",
  "word/altered": "geändert",
  "word/not-delivered": "nicht zugestellt",
  "word/rule": "einer Regel",
  "word/model": "einem Modell",
  "word/person": "einem Menschen",
  "word/erasure-request": "jemand hat die Löschung verlangt",
  "word/consent-withdrawn": "die Einwilligung wurde widerrufen",
  "word/unlawful-content": "rechtswidriger Inhalt",
  "word/retention-end": "die Aufbewahrungsfrist war abgelaufen",
  "word/purpose-end": "der Zweck war entfallen",
  "word/other": "anderer",
  "word/deployment": "Bereitstellung",
  "word/model-file": "Modell",
  "word/training-run": "Trainingslauf",
  "word/dataset": "Datensatz",
  "word/data-run": "Aufbereitung",
  "word/shown": "der gezeigte Inhalt",
  "word/not-shown": "ein hier nicht gezeigter Inhalt",
  "word/checkpoint": "Zwischenstand",
};
