import type { Strings } from './strings.ts'

const UNITS = { day: ['Tag', 'Tage'], hour: ['Stunde', 'Stunden'], minute: ['Minute', 'Minuten'] } as const

export const de: Strings = {
  lang: 'de',
  pay: {
    heading: { read: 'Weiterlesen', watch: 'Ansehen', listen: 'Anhören', look: 'Ansehen' },
    offer: 'Was Sie kaufen',
    offers: 'Was möchten Sie kaufen?',
    thisOne: { read: 'Diese Seite', watch: 'Dieser Film', listen: 'Diese Aufnahme', look: 'Dieses Bild' },
    section: (scope) => `Alles unter ${scope}`,
    once: 'einmal',
    lasting: (count, unit) => `für ${count} ${UNITS[unit][count === 1 ? 0 : 1]}`,
    recursNot: 'Eine Zahlung, nichts wiederholt sich',
    chargedIf: 'Abgebucht wird nur, wenn sich etwas öffnet',
    yours: (access) => `Ihres ${access}`,
    how: 'Wie geht das?',
    steps: 'Schritte',
    connect: 'Verbinden',
    sign: 'Zahlen',
    seller: 'Das Geld geht an',
    refunds: 'Geld zurück',
    machineMade: 'Von einer Maschine übersetzt',
    terms: (publisher) =>
      `Ihre Wallet bittet Sie, eine Zahlung über genau diesen Preis an ${publisher} zu unterschreiben. Sie gilt höchstens fünf Minuten. Keine Gebühr, kein Konto, kein Abo. Abgebucht wird nur, wenn die Seite geliefert wird.`,
    networks: (tokens, names) => `${tokens} auf ${names}.`,
    noScript:
      'Um in diesem Browser zu zahlen, schalten Sie JavaScript ein und laden Sie neu. Es kommt nur von dieser Seite.',
    reload: 'Neu laden',
    permit2: (tokens) =>
      `${tokens} ist für Programme: Nötig sind ein Client für x402 v2 und eine Wallet, die Permit2 dafür freigegeben hat.`,
    programs: 'Programme bezahlen diese Adresse mit jedem x402-Client.',
    rest: (price) => `Der Rest kostet ${price}.`,
    picture: (price) => `Gesperrt · ${price}`,
    notByPage: 'Diese Adresse wird von Programmen gekauft, mit jedem x402-Client.',
    currencies: 'Womit Sie zahlen',
    login: 'Mit Abo anmelden',
    why: 'Warum kostet das etwas?',
    termsLink: 'Bedingungen',
    support: 'Hilfe',
  },
  checkout: {
    payWith: '{price} mit {wallet} zahlen',
    yoursOnce: 'Gilt ein Mal',
    yoursUntil: 'Ihres bis {when}',
    showsAmount: '{units} (das sind {price}, gezählt in {step})',
    showsPayee: 'an {payee} ({seller})',
    millionths: 'Millionsteln',
    stepsOf: 'Schritten von {step}',
    yourWallet: 'Ihrer Wallet',
    unavailable:
      'Zahlungen sind gerade nicht möglich, es wurde nichts abgebucht. Diese Seite versucht es in {seconds} s wieder, mit derselben Zahlung.',
    looking: 'Ihre Wallet wird gesucht …',
    notHere: 'Auf einer Seite kann das keine Wallet bezahlen. Unten steht, womit es geht.',
    noWallet: 'In diesem Browser ist keine Wallet.',
    noWalletHelp:
      'Installieren Sie eine Wallet-Erweiterung, oder öffnen Sie diese Seite im Browser Ihrer Wallet-App. Suchen Sie dann noch einmal.',
    noWay: 'Die Wallets in diesem Browser können das nicht bezahlen. Genommen wird {tokens}.',
    checkAgain: 'Noch einmal suchen',
    openWallet: 'Öffnen Sie {wallet} und bestätigen Sie die Verbindung.',
    pending: '{wallet} fragt Sie schon etwas. Öffnen Sie die Wallet und antworten Sie dort zuerst.',
    switching: 'Bestätigen Sie in {wallet} den Wechsel zu {network}.',
    locked: '{wallet} ist gesperrt. Entsperren Sie die Wallet und versuchen Sie es noch einmal.',
    noAccount:
      'Das Konto in {wallet} kann auf {network} nicht zahlen. Wählen Sie dort ein anderes und versuchen Sie es noch einmal.',
    wrongNetwork:
      'Ihre Wallet ist in einem anderen Netz. Mit {token} zahlt man auf {network}: Wechseln Sie und versuchen Sie es noch einmal.',
    unprepared:
      'Die Zahlung ließ sich gerade nicht vorbereiten. Es wurde nichts abgebucht. Versuchen Sie es in einer Minute noch einmal, laden Sie die Seite neu, oder nehmen Sie eine andere Wallet.',
    signing: 'Prüfen Sie die Zahlung über {price} in {wallet} und unterschreiben Sie.',
    declined: 'Sie haben abgelehnt. Es wurde nichts abgebucht.',
    otherAccount:
      'Ein anderes Konto hat unterschrieben als das gefragte. Wählen Sie in {wallet} ein Konto und versuchen Sie es noch einmal. Es wurde nichts abgebucht.',
    tooLittle:
      'Dieser Wallet fehlen {missing} {token} auf {network}. Laden Sie sie auf, oder wählen Sie ein anderes Konto, und versuchen Sie es noch einmal.',
    otherCurrency:
      'Dieser Wallet fehlen {missing} {token} auf {network}, aber sie hat genug {other}. Zahlen Sie stattdessen {price} mit {other}, oder laden Sie die Wallet auf.',
    heldTooLittle:
      'In der Wallet ist zu wenig {tokens}. Es wurde nichts abgebucht. Laden Sie sie auf, oder nehmen Sie eine andere.',
    cannotLand:
      'Die Zahlung kann nicht ausgeführt werden: Vielleicht wurde sie zu spät unterschrieben, oder in der Wallet ist zu wenig. Es wurde nichts abgebucht. Versuchen Sie es noch einmal, und unterschreiben Sie bald.',
    priceChanged:
      'Der Preis ist jetzt {price}. Es wurde nichts abgebucht. Fahren Sie nur fort, wenn Ihnen das recht ist.',
    quoteExpired: 'Dieses Angebot war abgelaufen, ein neues ist da: {price}. Es wurde nichts abgebucht.',
    settling: 'Die Zahlung läuft … das dauert einige Sekunden.',
    waiting:
      'Ihre Zahlung ist unterwegs und noch nicht bestätigt. Bitte zahlen Sie nicht noch einmal: Diese Seite fragt in {seconds} s wieder nach, mit derselben Zahlung.',
    tryNow: 'Jetzt nachfragen',
    lost: 'Die Verbindung ist abgebrochen. Ihre unterschriebene Zahlung ist aufgehoben: Sie wird wieder gesendet, sobald Sie online sind, und nie zweimal abgebucht.',
    sendAgain: 'Erneut senden',
    refused: 'Die Zahlung kam nicht zustande. Es wurde nichts abgebucht.',
    startAgain: 'Von vorn anfangen',
    notAccepted: 'Die Zahlung dieser Wallet kann hier nicht angenommen werden. Es wurde nichts abgebucht.',
    opening: 'Bezahlt. Wird geöffnet …',
    paidUntil: '{price} bezahlt · Ihres bis {when}',
    receipt: 'Beleg',
    bought: 'Bezahlt. Was Sie gekauft haben, ist bereit.',
    open: 'Öffnen',
    noCookie:
      'Sie haben bezahlt, aber dieser Browser behält keine Cookies dieser Seite und kann es sich nicht merken. Erlauben Sie sie, oder öffnen Sie den Artikel einmal von hier.',
    walletFailed: '{wallet} konnte das nicht ausführen. Es wurde nichts abgebucht.',
    signIn: 'Schon gekauft',
    signInText: 'Melden Sie sich mit der Wallet an, mit der Sie bezahlt haben. Das kostet nichts.',
    signedInNothing: 'Diese Wallet hat diese Seite nicht gekauft, oder die Zeit ist um.',
    signInOther:
      'Ein anderes Konto hat unterschrieben als das gefragte, oder diese Wallet hat diese Seite nicht gekauft. Wählen Sie in {wallet} das Konto, das bezahlt hat, und versuchen Sie es noch einmal.',
    signInUnasked:
      'Das Netz konnte gerade nicht nach dieser Wallet gefragt werden. Es wurde nichts abgebucht. Versuchen Sie es in einer Minute noch einmal.',
    signInPending:
      'Eine Zahlung dieser Wallet ist noch nicht bestätigt. Bitte zahlen Sie nicht noch einmal: Melden Sie sich in einer Minute wieder an.',
    signInFailed:
      'Die Anmeldung ging gerade nicht. Es wurde nichts abgebucht. Versuchen Sie es in einer Minute noch einmal.',
    willSign: 'Unterschreiben Sie die Nachricht in {wallet}. Sie ist keine Zahlung.',
    elsewhere: 'Wallet-App auf dem Telefon nutzen',
    topUp: 'Wallet aufladen',
    payOn: 'Stattdessen über {network} zahlen',
    useOther: 'Anderes Konto nehmen',
    enoughNow: 'Das Guthaben reicht jetzt.',
  },
  elsewhere: {
    scan: 'Scannen Sie diesen Code mit der Kamera Ihres Telefons. Zahlen Sie dort, oder melden Sie sich an, wenn Sie schon gekauft haben.',
    onPhone:
      'Öffnen Sie diese Seite im Browser Ihrer Wallet. Zahlen Sie dort, oder melden Sie sich an, wenn Sie schon gekauft haben.',
    openIn: 'In {wallet} öffnen',
    words: 'Sie werden gefragt, ob Sie hier diese zwei Wörter sehen:',
    opensHere: 'Sagen Sie dort Ja, dann öffnet sich die Seite hier von selbst. Nichts wird doppelt abgebucht.',
    onlyThere: 'Was Sie dort kaufen, öffnet sich nur dort.',
    qr: 'QR-Code dieser Seite',
    copy: 'Link kopieren',
    copied: 'Hier ist der Link zum Kopieren. Fügen Sie ihn im Browser Ihrer Wallet ein.',
    over: 'Die Zeit dieses Codes ist um. Hier wurde nichts abgebucht.',
    again: 'Neuen Code zeigen',
  },
  handOver: {
    heading: 'Auch auf dem anderen Bildschirm öffnen?',
    what: 'Diese Seite gehört Ihnen. Ein anderer Bildschirm wartet auf sie: der, dessen Code Sie gescannt haben, oder der Browser, aus dem Sie kommen.',
    words: 'Dort stehen diese zwei Wörter:',
    yes: 'Ja, dort sehe ich sie',
    no: 'Nein, nur hier öffnen',
    meaning:
      'Dort öffnet sich nur diese eine Seite, so lange wie hier. Der andere Bildschirm sieht weder Ihre Wallet noch Ihre Belege. Sehen Sie die Wörter dort nicht, dann sagen Sie Nein.',
  },
  player: { save: 'Datei speichern' },
  bar: {
    bought: 'Bezahlt',
    until: (when) => `Ihres bis ${when}`,
    receipt: 'Beleg',
    close: 'Diese Zeile schließen',
  },
  receipt: {
    title: 'Beleg',
    list: 'Ihre Käufe',
    none: 'Hier ist noch nichts.',
    what: 'Was',
    wholePage: 'Eine Seite',
    when: 'Wann',
    amount: 'Wie viel',
    currency: 'in {symbol} auf',
    payTo: 'Bezahlt an',
    payer: 'Bezahlt von',
    transaction: 'Transaktion',
    signed: 'Unterschriebener Beleg',
    signedMeaning:
      'Diese Seite hat unterschrieben, was von wem in welcher Transaktion bezahlt wurde. Wer diesen Text hat, kann das prüfen, auch ohne diese Seite, solange er ihren öffentlichen Schlüssel hat.',
    howToVerify: 'Zum Prüfen, mit dem Quelltext von newsstand:',
    key: 'Der öffentliche Schlüssel der Seite',
    download: 'Unterschriebenen Beleg herunterladen',
    until: 'bis',
    opensUntil: 'Offen bis',
    number: 'Nummer',
    seller: 'Verkauft von',
    older: 'Ältere Käufe',
    opens: 'Was dieser Browser öffnet',
    noPass:
      'Dieser Browser hat gerade keinen Ausweis und kennt deshalb keinen Kauf. Ihre Belege bleiben erhalten: Melden Sie sich mit der Wallet an, mit der Sie bezahlt haben, um alle zu sehen.',
    allOf: 'Alle Käufe von',
    shownUntil: 'Hier zu sehen bis',
    signOut: 'Abmelden',
    signIn: 'Alle Ihre Belege',
    signInText:
      'Unterschreiben Sie eine Nachricht mit der Wallet, mit der Sie bezahlt haben. Das ist keine Zahlung und kostet nichts. Danach sind alle Belege dieser Wallet fünfzehn Minuten lang in diesem Browser zu sehen.',
    signInWith: 'Mit {wallet} anmelden',
    noScript:
      'Zum Anmelden braucht es JavaScript und eine Wallet in diesem Browser. Wo das nicht geht, kann der Verlag Ihren Beleg anhand der Transaktion finden, die Ihre Wallet zeigt.',
    noCookies:
      'Angemeldet, aber dieser Browser behält keine Cookies dieser Website; deshalb können die Belege nicht gezeigt werden. Erlauben Sie Cookies und melden Sie sich noch einmal an.',
    nothingBought:
      'Diese Wallet hat hier nichts gekauft, oder es hat ein anderes Konto unterschrieben als das, das bezahlt hat. Wählen Sie das Konto, mit dem Sie bezahlt haben.',
    unreadable:
      'Die Liste der Käufe ist gerade nicht lesbar. Es ist nichts verloren: Laden Sie diese Seite in einer Minute neu.',
    print: 'Drucken',
    check: 'Unterschrift prüfen',
    checkGood: 'Die Unterschrift ist gut: Der Schlüssel dieser Seite hat diesen Beleg unterschrieben.',
    checkBad: 'Die Unterschrift ist nicht gut. Verlassen Sie sich nicht auf diesen Beleg.',
    checkUnable:
      'Dieser Browser kann solche Unterschriften (Ed25519) nicht prüfen. Laden Sie den Beleg herunter und prüfen Sie ihn anderswo.',
    checkLater: 'Der Schlüssel der Seite war nicht zu bekommen. Versuchen Sie es in einer Minute noch einmal.',
  },
  errors: {
    headings: {
      400: 'Diese Anfrage ist nicht lesbar',
      402: 'Die Zahlung kam nicht zustande',
      403: 'Diese Zahlung kann nicht angenommen werden',
      404: 'Hier ist nichts',
      405: 'So geht es nicht',
      409: 'Diese Zahlung ist vergeben',
      414: 'Diese Adresse ist zu lang',
      421: 'Nicht auf diesem Server',
      429: 'Einen Augenblick Pause, bitte',
      500: 'Bei uns stimmt etwas nicht',
      502: 'Die Seite war nicht zu holen',
      503: 'Einen Augenblick, bitte',
    },
    fallback: 'Das hat nicht geklappt',
    messages: {
      invalid_payload: 'Die Zahlung war nicht zu lesen. Es wurde nichts abgebucht.',
      invalid_path: 'Diese Adresse lässt sich auf mehr als eine Art lesen. Nehmen Sie die einfache Schreibweise.',
      not_found: 'Unter dieser Adresse gibt es nichts. Es wurde nichts abgebucht.',
      payment_refused: 'Diese Zahlung kann hier nicht angenommen werden. Es wurde nichts abgebucht.',
      payment_identifier_conflict: 'Diese Kennung gehört zu einer anderen Zahlung. Laden Sie die Seite neu.',
      payment_already_used: 'Diese Zahlung ist schon verwendet.',
      insufficient_funds: 'Die Wallet enthält zu wenig. Laden Sie sie auf und zahlen Sie noch einmal.',
      sign_in_nothing_bought: 'Diese Adresse hat nichts gekauft, das diese Seite öffnet, oder die Zeit ist um.',
      invalid_siwx_verifier_error:
        'Die Kette lässt sich gerade nicht nach dieser Wallet fragen. Melden Sie sich bald noch einmal an; zahlen müssen Sie nicht.',
      too_many_requests:
        'Von Ihrer Adresse sind zu viele Zahlungen gescheitert. Versuchen Sie es in einer Minute wieder.',
      configuration_error: 'Diese Seite ist nicht richtig eingerichtet. Der Verlag findet Näheres in seinem Protokoll.',
      internal_error: 'Warten Sie eine Minute und laden Sie neu. Sie zahlen nicht zweimal.',
      content_unavailable: 'Der Inhalt war nicht zu holen. Warten Sie eine Minute und laden Sie neu.',
      payment_in_progress:
        'Ihre Zahlung ist unterwegs. Warten Sie einen Augenblick und laden Sie neu. Sie zahlen nicht zweimal.',
      settlement_pending:
        'Ihre Zahlung ist noch nicht bestätigt. Warten Sie eine Minute und laden Sie neu. Sie zahlen nicht zweimal.',
      facilitator_unavailable:
        'Zahlungen sind gerade nicht möglich. Es wurde nichts abgebucht; versuchen Sie es bald wieder.',
      unavailable:
        'Zahlungen sind gerade nicht möglich. Warten Sie eine Minute und laden Sie neu. Sie zahlen nicht zweimal.',
    },
    noPayee:
      'Hier wird noch nichts verkauft: In PAY_TO steht keine Adresse, an die gezahlt werden kann. Tragen Sie Ihre in die Einstellungen dieses Workers ein.',
    back: 'Zur Startseite',
    again: 'Neu laden',
  },
}
