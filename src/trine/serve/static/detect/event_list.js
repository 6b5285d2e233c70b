// The events of a session as a list that can be edited.

/** The events of a session as one list, so that taking one away takes its time and attributes too. */
export function eventsOf({ events, times, attributes }) {
  return events.map((event, index) => ({
    ...event,
    time: times?.[index] ?? null,
    attributes: Object.fromEntries(Object.entries(attributes).map(([name, values]) => [name, values[index]])),
  }));
}

/** Events as the service wants them. */
export function bodyOf(events) {
  const names = Object.keys(events[0]?.attributes ?? {});
  return {
    events: events.map(({ event }) => event),
    times: events.every(({ time }) => time !== null) ? events.map(({ time }) => time) : null,
    attributes: Object.fromEntries(names.map((name) => [name, events.map(({ attributes }) => attributes[name])])),
  };
}
