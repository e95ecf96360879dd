-- Which of the products that may go with others each customer has bought.
with customer_products as (
    select * from intermediate.customer_products
),

customers as (
    select * from intermediate.item_customers
),

items as (
    select * from intermediate.affinity_items where level = 'product'
),

final as (
    select
        customers.customer_number,
        items.item_number
    from customers
    inner join customer_products
        on customers.customer_id = customer_products.customer_id
    inner join items on customer_products.product_id = items.item
    group by customers.customer_number, items.item_number
)

select * from final
