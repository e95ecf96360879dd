-- Lines of sales and returns. A return is a negative line on the day it
-- happened.
with orders as (
    select * from landed.orders
)

select
    order_no as order_id,
    line_no,
    customer_no as customer_id,
    sold_at as ordered_at,
    sku as product_id,
    cast(quantity as decimal(18, 3)) as quantity,
    net_amount,
    margin,
    sales_channel as channel,
    campaign_code as campaign_id
from orders
