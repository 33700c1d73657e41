/** The storefront: routes, and what the header shows. */

import { load } from "./cart.js";
import { start } from "./router.js";
import { account } from "./views/account.js";
import { cart } from "./views/cart.js";
import { checkout } from "./views/checkout.js";
import { order } from "./views/order.js";
import { orders } from "./views/orders.js";
import { product } from "./views/product.js";
import { products } from "./views/products.js";

start([
  [/^\/$/, products],
  [/^\/products\/([^/]+)$/, product],
  [/^\/cart$/, cart],
  [/^\/checkout$/, checkout],
  [/^\/orders$/, orders],
  [/^\/orders\/([^/]+)$/, order],
  [/^\/account$/, account],
]);
// a cart that cannot be reached is no reason to show nothing
load().catch(() => {});
