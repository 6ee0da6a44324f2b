import type { Strings } from './strings.ts'

const UNITS = { day: ['día', 'días'], hour: ['hora', 'horas'], minute: ['minuto', 'minutos'] } as const

export const es: Strings = {
  lang: 'es',
  pay: {
    heading: { read: 'Seguir leyendo', watch: 'Ver', listen: 'Escuchar', look: 'Ver' },
    offer: 'Lo que compra',
    offers: 'Elija qué comprar',
    thisOne: { read: 'Esta página', watch: 'Este vídeo', listen: 'Esta grabación', look: 'Esta imagen' },
    section: (scope) => `Todo en ${scope}`,
    once: 'una vez',
    lasting: (count, unit) => `durante ${count} ${UNITS[unit][count === 1 ? 0 : 1]}`,
    terms: (publisher) =>
      `Su monedero le pedirá que firme un solo pago de exactamente este precio a ${publisher}, válido durante cinco minutos como máximo. Sin comisión, sin cuenta y sin cargos periódicos. Solo se cobra si la página se entrega.`,
    networks: (tokens, names) => `${tokens} en ${names}.`,
    noScript: 'Para pagar en este navegador, active JavaScript y recargue. Procede únicamente de este sitio.',
    reload: 'Recargar',
    permit2: (tokens) =>
      `${tokens} es para programas: hacen falta un cliente x402 v2 y un monedero que haya aprobado Permit2 para esa moneda.`,
    programs: 'Los programas pagan esta dirección con cualquier cliente x402.',
    rest: (price) => `El resto cuesta ${price}.`,
    picture: (price) => `Bloqueado · ${price}`,
    notByPage: 'Esta dirección la compran programas, con cualquier cliente x402.',
    currencies: 'Con qué paga',
    login: 'Iniciar sesión con suscripción',
    why: '¿Por qué se paga?',
    termsLink: 'Condiciones',
    support: 'Ayuda',
  },
  checkout: {
    payWith: 'Pagar {price} con {wallet}',
    yourWallet: 'su monedero',
    unavailable:
      'Ahora no se pueden hacer pagos y no se ha cobrado nada. Esta página lo intenta de nuevo en {seconds} s, con el mismo pago.',
    looking: 'Buscando su monedero …',
    notHere: 'En una página ningún monedero puede pagar esto. Abajo se dice con qué se puede.',
    noWallet: 'No hay ningún monedero en este navegador.',
    noWalletHelp:
      'Instale una extensión de monedero o abra esta página en el navegador de su aplicación de monedero. Después, busque otra vez.',
    noWay: 'Los monederos de este navegador no pueden pagar esto. Se acepta {tokens}.',
    checkAgain: 'Buscar de nuevo',
    openWallet: 'Abra {wallet} y confirme la conexión.',
    pending: '{wallet} ya le está preguntando algo. Ábralo y responda allí primero.',
    switching: 'Confirme en {wallet} el cambio a {network}.',
    locked: '{wallet} está bloqueado. Desbloquéelo e inténtelo de nuevo.',
    noAccount: 'La cuenta de {wallet} no puede pagar en {network}. Elija allí otra e inténtelo de nuevo.',
    wrongNetwork:
      'Su monedero está en otra red. Para pagar con {token} hace falta {network}: cambie e inténtelo de nuevo.',
    unprepared:
      'No se pudo preparar el pago en este momento y no se ha cobrado nada. Inténtelo de nuevo dentro de un minuto, vuelva a cargar la página o use otro monedero.',
    signing: 'Compruebe el pago de {price} en {wallet} y fírmelo.',
    declined: 'Usted lo rechazó y no se ha cobrado nada.',
    otherAccount:
      'Firmó otra cuenta distinta de la solicitada. Elija una cuenta en {wallet} e inténtelo de nuevo. No se ha cobrado nada.',
    tooLittle:
      'A este monedero le faltan {missing} {token} en {network}. Recárguelo o elija otra cuenta e inténtelo de nuevo.',
    otherCurrency:
      'A este monedero le faltan {missing} {token} en {network}, pero tiene suficiente {other}. Pague {price} con {other} o recárguelo.',
    heldTooLittle: 'El monedero tiene muy poco {tokens}. No se ha cobrado nada. Recárguelo o use otro.',
    cannotLand:
      'El pago no puede realizarse: quizá se firmó demasiado tarde o el monedero tiene muy poco. No se ha cobrado nada. Inténtelo de nuevo y firme pronto.',
    priceChanged: 'El precio es ahora {price}. No se ha cobrado nada. Siga solo si le parece bien.',
    quoteExpired: 'Esta oferta había caducado y hay una nueva: {price}. No se ha cobrado nada.',
    settling: 'Pagando … tarda unos segundos.',
    waiting:
      'Su pago está en camino y aún no está confirmado. No pague otra vez: esta página vuelve a preguntar en {seconds} s, con el mismo pago.',
    tryNow: 'Preguntar ahora',
    lost: 'Se cortó la conexión. Su pago firmado está guardado: se enviará de nuevo en cuanto vuelva, y nunca se cobra dos veces.',
    sendAgain: 'Enviar de nuevo',
    refused: 'El pago no se completó. No se ha cobrado nada.',
    startAgain: 'Empezar de nuevo',
    notAccepted: 'El pago de este monedero no se puede aceptar aquí. No se ha cobrado nada.',
    opening: 'Pagado. Abriendo …',
    bought: 'Pagado. Su compra está lista.',
    open: 'Abrir',
    noCookie:
      'Ha pagado, pero este navegador no guarda cookies de este sitio y no puede recordarlo. Permítalas o ábralo una vez desde aquí.',
    walletFailed: '{wallet} no pudo hacerlo. No se ha cobrado nada.',
    signIn: 'Ya lo compré',
    signInText: 'Identifíquese con el monedero con el que pagó. No cuesta nada.',
    signedInNothing: 'Este monedero no ha comprado esta página, o su plazo terminó.',
    signInOther:
      'Firmó otra cuenta distinta de la solicitada, o este monedero no ha comprado esta página. Elija en {wallet} la cuenta que pagó e inténtelo de nuevo.',
    signInUnasked:
      'Ahora no se pudo preguntar a la red por este monedero. No se ha cobrado nada. Inténtelo de nuevo dentro de un minuto.',
    signInPending:
      'Un pago de este monedero aún no está confirmado. No pague otra vez: identifíquese de nuevo dentro de un minuto.',
    signInFailed: 'Ahora no se pudo iniciar la sesión. No se ha cobrado nada. Inténtelo de nuevo dentro de un minuto.',
    willSign: 'Firme el mensaje en {wallet}. No es un pago.',
  },
  player: { save: 'Guardar el archivo' },
  bar: {
    bought: 'Comprado',
    until: (when) => `hasta ${when}`,
    receipt: 'Recibo',
  },
  receipt: {
    title: 'Recibo',
    list: 'Sus compras',
    none: 'Aún no hay nada.',
    what: 'Qué',
    wholePage: 'Una página',
    when: 'Cuándo',
    amount: 'Cuánto',
    currency: 'en {symbol} en',
    payTo: 'Pagado a',
    payer: 'Pagado por',
    transaction: 'Transacción',
    signed: 'Recibo firmado',
    signedMeaning:
      'Este sitio firmó qué se pagó, quién lo pagó y en qué transacción. Quien tenga este texto puede comprobarlo, incluso sin este sitio, mientras tenga su clave pública.',
    howToVerify: 'Para comprobarlo, con el código de newsstand:',
    key: 'La clave pública del sitio',
    download: 'Descargar el recibo firmado',
  },
  errors: {
    headings: {
      400: 'No se puede leer esta petición',
      402: 'El pago no se completó',
      403: 'Este pago no se puede aceptar',
      404: 'Aquí no hay nada',
      405: 'Así no',
      409: 'Este pago ya está asignado',
      414: 'Esta dirección es demasiado larga',
      421: 'No se sirve aquí',
      429: 'Un momento de descanso, por favor',
      500: 'Algo falla por nuestra parte',
      502: 'No se pudo obtener la página',
      503: 'Un momento, por favor',
    },
    fallback: 'No ha funcionado',
    messages: {
      invalid_payload: 'No se pudo leer el pago. No se ha cobrado nada.',
      invalid_path: 'Esta dirección se puede leer de más de una manera. Use su forma sencilla.',
      not_found: 'No hay nada en esta dirección. No se ha cobrado nada.',
      payment_refused: 'Este pago no se puede aceptar aquí. No se ha cobrado nada.',
      payment_identifier_conflict: 'Este identificador pertenece a otro pago. Recargue la página.',
      payment_already_used: 'Este pago ya se ha usado.',
      insufficient_funds: 'El monedero tiene muy poco saldo. Recárguelo y pague de nuevo.',
      sign_in_nothing_bought: 'Esta dirección no ha comprado nada que abra esta página, o su plazo terminó.',
      invalid_siwx_verifier_error:
        'Ahora no se puede preguntar a la cadena por este monedero. Vuelva a iniciar sesión pronto; no hace falta pagar.',
      too_many_requests: 'Han fallado demasiados pagos desde su dirección. Inténtelo dentro de un minuto.',
      configuration_error: 'Este sitio no está bien configurado. Su editor encontrará los detalles en el registro.',
      internal_error: 'Algo salió mal. Recargue; no firme un segundo pago.',
      content_unavailable: 'No se pudo obtener el contenido. Inténtelo pronto.',
      payment_in_progress: 'Este pago se está procesando. Recargue dentro de un momento.',
      settlement_pending: 'Aún no se sabe el resultado de este pago. No firme otro.',
      facilitator_unavailable: 'Ahora no se pueden procesar pagos. No se ha cobrado nada; inténtelo pronto.',
      unavailable: 'Este sitio no puede aceptar pagos ahora. Inténtelo pronto.',
    },
    noPayee:
      'Aquí no se vende nada todavía: PAY_TO no contiene una dirección a la que se pueda pagar. Escriba la suya en los ajustes de este worker.',
    back: 'A la portada',
  },
}
