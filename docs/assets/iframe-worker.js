// Search in pages that are opened from the file system: browsers start no worker there, so its script runs in a frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const reply = "window.postMessage = data => frameElement.reply(data)";
      this.frame = Object.assign(document.createElement("iframe"), {
        hidden: true,
        reply: data => this.dispatchEvent(new MessageEvent("message", { data })),
        srcdoc: `<script>${reply}<\/script><script src="${url}"><\/script>`,
      });
      this.loaded = new Promise(done => this.frame.addEventListener("load", done));
      (document.body || document.documentElement).append(this.frame);
    }
    async postMessage(data) {
      await this.loaded;
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
