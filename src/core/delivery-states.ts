/** How far the delivery of an event can be: whoever asks for every state asks for these. */
export const deliveryStates = ['pending', 'claimed', 'delivered', 'dead', 'dropped', 'dismissed'] as const

export type DeliveryState = (typeof deliveryStates)[number]
