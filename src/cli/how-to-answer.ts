/** How a question is answered, as it is shown beside it. */
export function howToAnswer(question: {
  readonly delegation_id: string
  readonly question_id: string
}): string {
  return `hermes-delegate answer ${question.delegation_id} --question ${question.question_id} "..."`
}
