// Called by index.html, after Swagger UI has been loaded.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  docExpansion: "list",
  // A token stays in the page: nothing is written to the browser's storage.
  persistAuthorization: false,
  // No badge of another site's.
  validatorUrl: null,
});
