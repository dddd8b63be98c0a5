// Gradio's browser part reads the answers to all events from one stream, which its server ends with the last event it knows
// of. An event that joins between the server's end and the browser's is answered by nobody: the click does nothing, until
// another one opens a stream again. So the end is kept back here while an event is waited for, and the next stream is read in
// its place. (Gradio 6.31; seen in 4 of 60 clicks on a busy machine.)
(() => {
  const plain = window.fetch.bind(window);
  const joining = new Set(), waited = new Set(), early = new Set(); // requests; events; events that ended before they were known
  let ending = Promise.resolve(); // until the browser's part has taken note of an end

  window.fetch = (resource, options) => {
    const address = resource instanceof Request ? resource.url : String(resource);
    if (/\/queue\/join(\?|$)/.test(address)) return join(resource, options);
    if (/\/queue\/data\?/.test(address) && resource instanceof Request) return read(resource);
    return plain(resource, options);
  };

  async function join(resource, options) {
    const known = (async () => {
      const response = await plain(resource, options);
      const id = response.ok && (await response.clone().json()).event_id;
      if (id && !early.delete(id)) waited.add(id);
      return response;
    })();
    joining.add(known);
    const forget = () => joining.delete(known);
    known.then(forget, forget);
    const response = await known;
    await ending;
    return response;
  }

  async function read(request) {
    const first = await plain(request);
    if (!first.ok || !first.body) return first;
    const copy = async (controller) => {
      try {
        for (let response = first; await followed(response, controller); response = await plain(request));
        controller.close();
      } catch (error) {
        waited.clear(); // the server forgets the events of a stream that breaks
        try { controller.error(error); } catch { /* the browser's part has given it up */ }
      }
    };
    return new Response(new ReadableStream({ start: (controller) => { copy(controller); } }), first);

    // Hand on what one stream says; returns whether another one must be read after it.
    async function followed(response, controller) {
      if (!response.ok) throw new TypeError(`the answers cannot be read: status ${response.status}`);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader(), bytes = new TextEncoder();
      const before = [...waited]; // the server knew of these when the stream began: at its end they are done, or lost for good
      for (let rest = "", part; !(part = await reader.read()).done;) {
        const messages = (rest + part.value).split("\n\n");
        rest = messages.pop();
        for (const message of messages) {
          if (message.includes('"msg":"close_stream"')) {
            while (joining.size) await Promise.allSettled([...joining]);
            for (const id of before) waited.delete(id);
            if (waited.size) return true;
            ending = new Promise((noted) => { request.signal.addEventListener("abort", noted); setTimeout(noted, 200); });
          } else if (message.includes('"msg":"process_completed"')) {
            const id = JSON.parse(message.slice(message.indexOf("{"))).event_id;
            if (!waited.delete(id)) early.add(id);
          }
          controller.enqueue(bytes.encode(message + "\n\n"));
        }
      }
      return false;
    }
  }
})();
