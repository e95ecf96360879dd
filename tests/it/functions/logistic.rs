//! Logistic regression and the area under the curve: published figures, a reference implementation's, properties.
