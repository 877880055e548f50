/* The oldest kind of script, for browsers that know no modules, and for modules that never arrive: nothing was checked then,
   and the page must say so. */
setTimeout(function () {
    var verdict = document.getElementById('verdict');
    if (document.documentElement.getAttribute('data-started') !== null) return; // main.js runs and speaks for itself
    verdict.setAttribute('data-state', 'unable');
    verdict.textContent =
        '核验程序没有运行：请检查网络后重试、更新浏览器或换一部手机。这不说明票据真伪。 / ' +
        'The check did not run: look at your connection and try again, update the browser, or take another phone. ' +
        'This says nothing about the bill.';
}, 8000);
