"""The operator's command line, `skillupworks`. Nothing else imports it, nor click and Rich."""
