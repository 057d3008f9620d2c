//! What of SVG may leave this server. Whatever is not listed goes, so that what nobody thought of goes too.

/// Elements that draw, define what is drawn, or move it.
const ELEMENTS: &str = "a animate animateMotion animateTransform circle clipPath defs desc ellipse feBlend \
    feColorMatrix feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting feDisplacementMap \
    feDistantLight feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur feImage feMerge feMergeNode \
    feMorphology feOffset fePointLight feSpecularLighting feSpotLight feTile feTurbulence filter g image line \
    linearGradient marker mask mpath path pattern polygon polyline radialGradient rect set stop style svg switch \
    symbol text textPath title tspan use view";

/// Attributes whose values are numbers, words, or names within the picture.
const ATTRIBUTES: &str = "accumulate additive alignment-baseline amplitude attributeName attributeType azimuth \
    baseFrequency baseline-shift begin bias by calcMode class clip clip-path clip-rule clipPathUnits color \
    color-interpolation color-interpolation-filters cx cy d diffuseConstant direction display divisor \
    dominant-baseline dur dx dy edgeMode elevation end exponent fill fill-opacity fill-rule filter filterUnits \
    flood-color flood-opacity font-family font-feature-settings font-size font-size-adjust font-stretch font-style \
    font-variant font-weight fr from fx fy gradientTransform gradientUnits height id image-rendering in in2 intercept \
    k1 k2 k3 k4 kernelMatrix kernelUnitLength keyPoints keySplines keyTimes lang lengthAdjust letter-spacing \
    lighting-color limitingConeAngle marker marker-end marker-mid marker-start markerHeight markerUnits markerWidth \
    mask mask-type maskContentUnits maskUnits max media method min mix-blend-mode mode numOctaves offset opacity \
    operator order orient origin overflow paint-order path pathLength patternContentUnits patternTransform \
    patternUnits points pointsAtX pointsAtY pointsAtZ preserveAlpha preserveAspectRatio primitiveUnits r radius refX \
    refY repeatCount repeatDur requiredFeatures restart result role rotate rx ry scale seed shape-rendering side slope \
    spacing specularConstant specularExponent spreadMethod startOffset stdDeviation stitchTiles stop-color \
    stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit \
    stroke-opacity stroke-width style surfaceScale systemLanguage tableValues targetX targetY text-anchor \
    text-decoration text-overflow text-rendering textLength to transform transform-origin type unicode-bidi values \
    vector-effect version viewBox visibility white-space width word-spacing writing-mode x x1 x2 xChannelSelector y y1 \
    y2 yChannelSelector z";

pub(super) fn is_element(name: &str) -> bool {
    ELEMENTS.split_ascii_whitespace().any(|one| one == name)
}

pub(super) fn is_attribute(name: &str) -> bool {
    ATTRIBUTES.split_ascii_whitespace().any(|one| one == name)
}
