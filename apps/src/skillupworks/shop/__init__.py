"""The shop: one module per service, named after its unit, and the parts they are made of."""
