"""The interface that hospital systems speak already: `/compat/medical/{service}`. README.md says what of it is served."""
