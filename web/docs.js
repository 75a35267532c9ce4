// Shows the OpenAPI document of this server. It stands in a file of its own since the page allows no
// inline script.

window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#interface",
  deepLinking: true,
  // The validator is a service on another host.
  validatorUrl: null,
});
