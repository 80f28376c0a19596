// Elements of the page. Texts become text nodes: nothing from elsewhere is ever read as HTML.

/** An element with attributes (`on` holds listeners, false and null leave one out) and children (texts, elements, lists of them). */
export function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name === "on")
            Object.entries(value).forEach(([event, listener]) => element.addEventListener(event, listener));
        else if (value !== null && value !== undefined && value !== false)
            element.setAttribute(name, value === true ? "" : value);
    }
    element.append(
        ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
    );
    return element;
}

/** Gives an element a size or place in percent; a policy forbids styles that are written in attributes. */
export function placed(element, sizes) {
    for (const [property, percent] of Object.entries(sizes)) element.style.setProperty(property, `${percent}%`);
    return element;
}

/** Says something to people who listen to the page. */
export function say(text) {
    document.getElementById("said").textContent = text;
}
